"""Writes whole shards in a thread of its own, one after the other, while the next ones are computed."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self

from batch.assembly import OpenShard


class Writer:
    """Used by one thread, as a context manager: whatever happens, a shard that is being written is finished first."""

    def __init__(self, write: Callable[[OpenShard], None]) -> None:
        self._write = write
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._under_way: dict[Future[None], OpenShard] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    @property
    def busy(self) -> bool:
        """Whether a shard is not known to be written."""
        return bool(self._under_way)

    def submit(self, shard: OpenShard) -> None:
        self._under_way[self._thread.submit(self._write, shard)] = shard

    def wait(self) -> None:
        """Until one more is written, or failed."""
        wait(self._under_way, return_when=FIRST_COMPLETED)

    def written(self) -> list[OpenShard]:
        """Those since the last time. Raises what writing raised."""
        done = [future for future in self._under_way if future.done()]
        shards = []
        for future in done:
            shards.append(self._under_way.pop(future))
            future.result()
        return shards
