"""Images that may wait: one thread computes their batches one after the other, until somebody more important waits.

To hand a batch to a thread, to hear of its end and to hand over the next one costs a tenth of what a tiny network
needs for it; so at the lowest priority several go together. What is left over when somebody comes waits again.
"""

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from service.engine.batch_item import Batch
from service.engine.session import Outputs

Tensor = npt.NDArray[np.uint8]


class Patient:
    """Made on the event loop; `compute` is called once, from any thread."""

    def __init__(self, batches: Iterable[Sequence[Tensor]], *, goes_on: Callable[[], bool]) -> None:
        """The parts of each batch; `goes_on` is asked before each of them."""
        self._batches = batches
        self._goes_on = goes_on

    def compute(self, run: Callable[[Tensor], Outputs]) -> list[tuple[Batch, Outputs]]:
        """Of those that were computed. Raises what the session raises, for all of them."""
        done = list[tuple[Batch, Outputs]]()
        for parts in self._batches:
            if not self._goes_on():
                break
            began_at = time.monotonic()
            outputs = run(parts[0] if len(parts) == 1 else np.concatenate(parts))
            outputs.check(images=sum(map(len, parts)))
            seconds = time.monotonic() - began_at
            done.append((Batch(parts=len(parts), began_at=began_at, seconds=seconds, padding=outputs.padding), outputs))
        return done
