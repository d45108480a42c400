"""What travels through a batch queue: parts of requests, whoever waits for them, and what comes back."""

import asyncio
import contextvars
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from service.engine.priority import Priority
from service.errors import DeadlineUnreachable, InferenceFailed, ServiceError

Payload = TypeVar("Payload")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[Payload]):
    """What is computed in one piece: `rows` images. Parts of one kind may be computed together, None never is."""

    payload: Payload
    rows: int
    size_bytes: int
    kind: Hashable = ""
    began_at: Callable[[], float] | None = None
    """When the session began with it, where that is not at once; infinite until then."""


@dataclass(slots=True, kw_only=True, eq=False)
class Item(Generic[Payload, Result]):
    """A part that somebody waits for."""

    part: Part[Payload]
    future: asyncio.Future["Timed[Result]"]
    arrival: float
    deadline: float | None
    priority: Priority
    caller: contextvars.Context = field(default_factory=contextvars.copy_context)

    @property
    def rows(self) -> int:
        return self.part.rows

    @property
    def size_bytes(self) -> int:
        return self.part.size_bytes

    @property
    def kind(self) -> Hashable:
        return self.part.kind

    @property
    def gone(self) -> bool:
        return self.future.done()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed(Generic[Result]):
    """A result, and how long it took; `computed_at` is when the batch began, on the clock of `time.monotonic`."""

    value: Result
    queue_seconds: float
    inference_seconds: float
    batch_size: int
    padding: int
    computed_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """So many parts that the session computed in one go; `padding` images were computed besides, for nobody."""

    parts: int
    began_at: float
    """On the clock of `time.monotonic`."""
    seconds: float
    padding: int = 0
    prepared_seconds: float = 0.0
    """Of the time before the session began, what was no waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """So many parts that were to be one batch, and why it was none."""

    parts: int
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed(Generic[Result]):
    """The results of the payloads, one for each. Where several batches were made of them, or none, their times are
    told; then those that come next have failed, and the payloads that are left over were not computed.
    """

    results: Sequence[Result]
    padding: int = 0
    prepared_seconds: float = 0.0
    batches: Sequence[Batch] | None = None
    failure: Failure | None = None


def expire(item: Item[Payload, Result]) -> None:
    """Its time was up before a batch had room for it."""
    if not item.gone:
        item.future.set_exception(DeadlineUnreachable("The deadline passed while the image was waiting."))


def fail(items: Sequence[Item[Payload, Result]], error: BaseException) -> None:
    """An error that is the caller's own is told as it is where there is one caller."""
    if isinstance(error, InferenceFailed) or (isinstance(error, ServiceError) and len(items) == 1):
        failure: ServiceError = error
    else:
        failure = InferenceFailed("The model could not compute this batch; the server's log has the cause.")
        failure.__cause__ = error
    for item in items:
        if not item.future.done():
            item.future.set_exception(failure)
