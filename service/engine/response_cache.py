"""Outputs of images that were seen before: the same file for the same model is neither decoded nor computed again.

Kept by the SHA-256 of the file and by what computed it: the package's digest and the precision. What is kept are the
graph's outputs, so that requests may differ in everything that comes after: number of labels, threshold, kind of call.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from service.engine.batcher import Row

OVERHEAD_BYTES = 700
"""What an entry takes beside its numbers: keys, objects and the places that hold them."""


class Lookup(StrEnum):
    """What became of a question."""

    HIT = "hit"
    MISS = "miss"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheObserver:
    """Who wants to know, for the metrics; called from worker threads too."""

    lookup: Callable[[str, Lookup], None] = lambda _model, _lookup: None
    evicted: Callable[[], None] = lambda: None


UNOBSERVED = CacheObserver()


class ResponseCache:
    """Holds at most so many bytes; what was not asked for the longest goes first. Any thread may ask."""

    def __init__(self, max_bytes: int, *, observer: CacheObserver = UNOBSERVED) -> None:
        self._max_bytes = max_bytes
        self._observer = observer
        self._rows: OrderedDict[tuple[str, str, bytes], Row] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def bytes_held(self) -> int:
        return self._bytes

    def part_of(self, model: str, *, digest: str, precision: str) -> "CachePart":
        """What one version in one precision keeps and finds."""
        return CachePart(self, model, digest, precision)

    def find(self, model: str, key: tuple[str, str, bytes]) -> Row | None:
        with self._lock:
            row = self._rows.get(key)
            if row is not None:
                self._rows.move_to_end(key)
        self._observer.lookup(model, Lookup.MISS if row is None else Lookup.HIT)
        return row

    def keep(self, key: tuple[str, str, bytes], row: Row) -> None:
        """A row that alone is larger than all that may be held is not kept."""
        size = _size(row)
        if size > self._max_bytes:
            return
        # A copy: the row is a view of its whole batch. It took no time to whoever finds it.
        embedding = None if row.embedding is None else row.embedding.copy()
        kept = replace(
            row, logits=row.logits.copy(), embedding=embedding, queue_seconds=0.0, inference_seconds=0.0, batch_size=0
        )
        evicted = 0
        with self._lock:
            old = self._rows.pop(key, None)
            self._bytes += size - (0 if old is None else _size(old))
            self._rows[key] = kept
            while self._bytes > self._max_bytes:
                _, oldest = self._rows.popitem(last=False)
                self._bytes -= _size(oldest)
                evicted += 1
        for _ in range(evicted):
            self._observer.evicted()


class CachePart:
    """The cache as one classifier sees it: `file` is the SHA-256 of an encoded image."""

    def __init__(self, cache: ResponseCache, model: str, digest: str, precision: str) -> None:
        self._cache = cache
        self._model = model
        self._digest = digest
        self._precision = precision

    def find(self, file: bytes) -> Row | None:
        return self._cache.find(self._model, (self._digest, self._precision, file))

    def keep(self, file: bytes, row: Row) -> None:
        self._cache.keep((self._digest, self._precision, file), row)


def _size(row: Row) -> int:
    embedding = 0 if row.embedding is None else row.embedding.nbytes
    return OVERHEAD_BYTES + row.logits.nbytes + embedding
