"""A package before it has a number: all its files in memory, and the manifest that describes them."""

from dataclasses import dataclass

from service.models.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The manifest lists every file but itself; its version stands in until one is assigned."""

    manifest: Manifest
    files: dict[str, bytes]
