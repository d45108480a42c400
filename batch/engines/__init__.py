"""Who computes: chunks of images in, results out, in any order. Three engines behind one protocol."""

from enum import StrEnum
from typing import Protocol

from batch.item import Chunk
from batch.plan import Model, Question
from batch.results import Results


class EngineName(StrEnum):
    """What the command may ask for."""

    LOCAL = "local"
    REMOTE = "remote"
    RAY = "ray"


class Engine(Protocol):
    """Driven by one thread: `start`, then `submit` while there is room and `collect` while anything is under way."""

    workers: int
    """How many chunks are worked on at a time."""

    def start(self, question: Question) -> Model:
        """Says which model will answer. Raises ModelRefused or EngineFailed."""

    @property
    def has_room(self) -> bool:
        """Whether another chunk may be submitted now; it is what bounds the read-ahead."""

    def submit(self, chunk: Chunk) -> None: ...

    def collect(self) -> list[Results]:
        """Waits for at least one chunk. Raises EngineFailed, SourceChanged or OSError."""

    def close(self) -> None:
        """Lets go of everything, of work that is under way too."""
