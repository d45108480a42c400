"""Images that may wait: one thread computes their batches one after the other, until somebody more important waits.

To hand a batch to a thread, to hear of its end and to hand over the next one costs a tenth of what a tiny network
needs for it; so at the lowest priority several go together. What is left over when somebody comes waits again.
"""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from service.engine.batch_item import Batch
from service.engine.session import Outputs

Tensor = npt.NDArray[np.uint8]


class NothingComputed(Exception):
    """The first batch failed. It is computed once more by itself, where more is known of what may be wrong."""


class Patient:
    """Made on the event loop; `compute` is called once, from any thread."""

    def __init__(self, parts: Sequence[Tensor], *, largest: int, may_begin: Callable[[int], bool]) -> None:
        """Of parts as large as they are computed together; `may_begin` is asked before each batch, with the number of
        its first part.
        """
        self.batches = list(_batches(parts, largest))
        """The parts of each."""
        self._may_begin = may_begin

    def compute(self, run: Callable[[Tensor], Outputs]) -> list[tuple[Batch, Outputs]]:
        """Of those that were computed, up to the first one that fails. Raises NothingComputed."""
        done = list[tuple[Batch, Outputs]]()
        place = 0
        for parts in self.batches:
            if not self._may_begin(place):
                break
            began_at = time.monotonic()
            try:
                outputs = run(parts[0] if len(parts) == 1 else np.concatenate(parts))
                outputs.check(images=sum(map(len, parts)))
            except Exception:  # noqa: BLE001 - it comes again, and is told then
                if done:
                    break  # and those before it have their answers
                raise NothingComputed from None
            seconds = time.monotonic() - began_at
            done.append((Batch(parts=len(parts), began_at=began_at, seconds=seconds, padding=outputs.padding), outputs))
            place += len(parts)
        return done


def _batches(parts: Sequence[Tensor], largest: int) -> Iterator[list[Tensor]]:
    """Neighbours, as many as are computed together."""
    batch, images = list[Tensor](), 0
    for part in parts:
        if batch and images + len(part) > largest:
            yield batch
            batch, images = [], 0
        batch.append(part)
        images += len(part)
    yield batch
