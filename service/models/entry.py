"""What is known of one version of a model: its state, why, and what answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from service.models.live_model import LiveModel
from service.models.manifest import Manifest
from service.models.plain_loader import LivePlainModel
from service.models.usage import Usage


class State(StrEnum):
    """What a version is doing."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of one version. In the states READY and DRAINING either `live` or `plain` is there."""

    name: str
    version: int
    state: State
    reason: str = ""
    aliases: tuple[str, ...] = ()
    manifest: Manifest | None = None
    digest: str = ""
    live: LiveModel | None = None
    """The package as it answers."""
    plain: LivePlainModel | None = None
    """The plain model as it answers."""
    cause: BaseException | None = None
    """What the runtime said, for the log; clients see `reason` only."""
    usage: Usage = field(default_factory=Usage)
    """Who uses the version."""

    @property
    def answers(self) -> LiveModel | LivePlainModel | None:
        return self.live or self.plain


Watch = Callable[[Entry], Awaitable[None]]
