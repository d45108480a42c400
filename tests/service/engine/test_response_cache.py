"""The response cache: what was kept is found, within its bytes, and never for another model."""

import numpy as np
import pytest

from service.engine.batcher import Row
from service.engine.response_cache import OVERHEAD_BYTES, CacheObserver, CachePart, Lookup, ResponseCache

LABELS = 10
ROW_BYTES = OVERHEAD_BYTES + 4 * LABELS


class Seen:
    """Notes what the cache tells."""

    def __init__(self) -> None:
        self.lookups: list[tuple[str, Lookup]] = []
        self.evictions = 0

    def lookup(self, model: str, lookup: Lookup) -> None:
        self.lookups.append((model, lookup))

    def evict(self) -> None:
        self.evictions += 1


@pytest.fixture
def seen() -> Seen:
    return Seen()


def cache_of(rows: int, seen: Seen) -> ResponseCache:
    return ResponseCache(rows * ROW_BYTES, observer=CacheObserver(lookup=seen.lookup, evicted=seen.evict))


def part(cache: ResponseCache, *, digest: str = "d", precision: str = "fp32") -> CachePart:
    return cache.part_of("m", digest=digest, precision=precision)


def row(value: float, *, embedding: bool = False) -> Row:
    return Row(
        logits=np.full(LABELS, value, dtype=np.float32),
        embedding=np.full(4, value, dtype=np.float32) if embedding else None,
        queue_seconds=0.5,
        inference_seconds=0.25,
        batch_size=8,
    )


def test_what_was_kept_is_found_and_took_no_time(seen: Seen) -> None:
    """The same numbers, of a batch that was never run for this caller."""
    view = part(cache_of(4, seen))
    assert view.find(b"a") is None
    view.keep(b"a", row(1.0, embedding=True))
    found = view.find(b"a")
    assert found is not None
    assert found.embedding is not None
    assert found.logits.tolist() == [1.0] * LABELS
    assert found.embedding.tolist() == [1.0] * 4
    assert (found.queue_seconds, found.inference_seconds, found.batch_size) == (0.0, 0.0, 0)
    assert seen.lookups == [("m", Lookup.MISS), ("m", Lookup.HIT)]


def test_a_kept_row_does_not_hold_its_batch(seen: Seen) -> None:
    """A view would keep the outputs of the whole batch in memory, and change with it."""
    batch = np.zeros((64, LABELS), dtype=np.float32)
    view = part(cache_of(4, seen))
    view.keep(b"a", Row(logits=batch[3], embedding=None, queue_seconds=0, inference_seconds=0, batch_size=64))
    batch[:] = 9.0
    found = view.find(b"a")
    assert found is not None
    assert found.logits.base is None
    assert found.logits.tolist() == [0.0] * LABELS


@pytest.mark.parametrize("other", [{"digest": "e"}, {"precision": "int8"}])
def test_another_version_or_precision_finds_nothing(other: dict[str, str], seen: Seen) -> None:
    """Its answers are others."""
    cache = cache_of(4, seen)
    part(cache).keep(b"a", row(1.0))
    assert part(cache, **other).find(b"a") is None


def test_the_least_asked_for_makes_room(seen: Seen) -> None:
    """The bytes are a bound, and each one that goes is counted."""
    cache = cache_of(2, seen)
    view = part(cache)
    view.keep(b"a", row(1.0))
    view.keep(b"b", row(2.0))
    assert view.find(b"a") is not None
    view.keep(b"c", row(3.0))
    assert view.find(b"b") is None
    assert view.find(b"a") is not None
    assert (seen.evictions, cache.bytes_held) == (1, 2 * ROW_BYTES)


def test_the_same_file_again_takes_no_more_room(seen: Seen) -> None:
    """Two callers may have asked at the same time, and both were answered."""
    cache = cache_of(2, seen)
    for _ in range(3):
        part(cache).keep(b"a", row(1.0))
    assert (seen.evictions, cache.bytes_held) == (0, ROW_BYTES)


def test_what_does_not_fit_at_all_is_not_kept(seen: Seen) -> None:
    """Nothing else is thrown out for it."""
    cache = ResponseCache(ROW_BYTES)
    part(cache).keep(b"a", row(1.0))
    part(cache).keep(b"b", row(1.0, embedding=True))
    assert part(cache).find(b"a") is not None
    assert part(cache).find(b"b") is None
