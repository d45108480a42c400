"""Where a batch is computed: in the session's own thread, or at once on the event loop where that takes less time.

On a GPU it is staged first, in another thread where it is large, while the batch before it is being computed.

To hand a batch to a thread and to be told of its end costs more than a tiny network does. What a batch costs is known
from those before it; one that would keep the loop from other calls for long is never computed there.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from service.engine.batcher import Tensor
from service.engine.layouts import Layouts
from service.engine.session import Outputs

Run = Callable[[Tensor], Outputs]
Stage = Callable[[Tensor], Callable[[], Outputs]]
"""Makes a batch ready, from any thread, and gives what computes it in the session's own."""

Result = TypeVar("Result")
Made_co = TypeVar("Made_co", covariant=True)


class Job(Protocol[Made_co]):
    """More than one batch, or more than its computing."""

    def compute(self, run: Run, /) -> Made_co:
        """Called once, in a thread of the session."""
        ...


LONGEST_ON_LOOP_SECONDS = 0.0005
"""As long as other calls may wait; about five times what the way to a thread and back costs."""
WORTH_SHARING_SECONDS = 0.0002
"""To share a batch among threads and to wait for the last of them costs some 0.07 ms, and their cores."""
LARGEST_ON_LOOP_BYTES = 2**20
"""Of a batch that is staged there; copying that much takes about as long as the way to a thread and back."""
WEIGHT = 0.2
"""Of the latest batch in what is expected of the next one of its size, where it was computed on the loop."""
WEIGHT_IN_THREAD = 0.02
"""The same in the thread, where a batch that took longer has often waited for its turn in Python besides: if that
counted in full, no batch would come back to the loop from there.
"""


class Place:
    """Chooses for each batch. Lives on one event loop."""

    def __init__(
        self,
        layouts: Layouts,
        thread: ThreadPoolExecutor,
        *,
        stage: Stage | None = None,
        longest_on_loop_seconds: float = LONGEST_ON_LOOP_SECONDS,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """With `stage` nothing is computed on the loop: the thread that recorded CUDA graphs is the one to use them."""
        self._layouts = layouts
        self._stage = stage
        self._thread = thread
        self._longest = longest_on_loop_seconds
        self._clock = clock
        self._expected: dict[int, float] = {}  # seconds, by the size's bit length: 1, 2–3, 4–7, …

    async def compute(self, images: Tensor) -> Outputs:
        """What a session gives for a batch; whatever it raises is raised here."""
        loop = asyncio.get_running_loop()
        if self._stage is not None:
            small = images.nbytes <= LARGEST_ON_LOOP_BYTES
            staged = self._stage(images) if small else await loop.run_in_executor(None, self._stage, images)
            return await loop.run_in_executor(self._thread, staged)
        expected = self._expected.get(len(images).bit_length(), self._longest)
        if expected < self._longest:
            little = expected < WORTH_SHARING_SECONDS
            return self._timed(self._layouts.small if little else self._layouts.alone, images, WEIGHT)
        run = self._layouts.begin()
        try:
            return await loop.run_in_executor(self._thread, self._timed, run, images, WEIGHT_IN_THREAD)
        finally:
            self._layouts.end()

    async def compute_job(self, job: Job[Result]) -> Result:
        """What a thread of the session makes of a job that computes by itself."""
        run = self._layouts.begin()
        timed = partial(self._timed, run, weight_of_longer=WEIGHT_IN_THREAD)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, job.compute, timed)
        finally:
            self._layouts.end()

    def _timed(self, run: Run, images: Tensor, weight_of_longer: float) -> Outputs:
        began = self._clock()
        outputs = run(images)
        seconds = self._clock() - began
        size = len(images).bit_length()
        known = self._expected.get(size)
        if known is None or seconds < known:
            self._expected[size] = seconds
        else:
            self._expected[size] = known + weight_of_longer * (seconds - known)
        return outputs
