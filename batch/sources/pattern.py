"""Files by a pattern: `photos/**/*.jpg`, `s3://bucket/shards/*.tar`."""

from collections.abc import Iterator

from batch.item import Named
from batch.sources.location import Location, item_of

MAGIC = frozenset("*?[")


def is_pattern(text: str) -> bool:
    return not MAGIC.isdisjoint(text)


def matches(place: Location) -> Iterator[Named]:
    """The id of an image is its path below the folders that the pattern names plainly."""
    root = _plain_folders(place.path)
    found = place.fs.glob(place.path, detail=True)
    for path in sorted(found, key=lambda path: path.split("/")):
        name = path.removeprefix(root)
        hidden = any(part.startswith(".") for part in name.split("/"))
        if found[path]["type"] == "file" and not hidden:
            yield Named(name, item_of(Location(place.fs, path), found[path]))


def _plain_folders(path: str) -> str:
    """`a/b/` of `a/b/c*/d.jpg`."""
    plain: list[str] = []
    for part in path.split("/")[:-1]:
        if is_pattern(part):
            break
        plain.append(part)
    return "".join(f"{part}/" for part in plain)
