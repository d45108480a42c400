"""An image that comes while nothing else is under way: one thread decodes and computes it, with no way in between.

To hand it to a thread that decodes, back to the loop, and on to a thread of the session costs a quarter of what the
decoding does, and by then its pixels are not in that core's cache.
"""

import math
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from service.engine.session import Outputs
from service.errors import CallerGone, DeadlineUnreachable

Tensor = npt.NDArray[np.uint8]


class Ready(Protocol):
    """What the preparing of an image gives."""

    @property
    def tensor(self) -> Tensor: ...


Prepared = TypeVar("Prepared", bound=Ready)


class Lone(Generic[Prepared]):
    """Made on the event loop; `compute` is called once, from any thread, and what it leaves here is read after that."""

    def __init__(self, prepare: Callable[[], Prepared], *, deadline: float | None) -> None:
        """`prepare` raises a ServiceError for a bad image. `deadline` is on the clock of `time.monotonic`."""
        self._prepare = prepare
        self._deadline = deadline
        self.prepared: Prepared | None = None
        self.refusal: Exception | None = None
        """Why it was not computed. That is the image's own, or its caller's, and says nothing of the device."""
        self.wanted = True
        """Whether somebody waits for it."""
        self.came_at = math.inf
        """When a thread took it."""
        self.began_at = math.inf
        """When it was prepared and the session began."""

    def compute(self, run: Callable[[Tensor], Outputs]) -> Outputs | None:
        """What the session gives; None where there is a `refusal`."""
        self.came_at = time.monotonic()
        try:
            self._check(self.came_at)
            self.prepared = self._prepare()
            began_at = time.monotonic()
            self._check(began_at)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to who waits
            self.refusal = error
            return None
        self.began_at = began_at
        return run(self.prepared.tensor[np.newaxis])

    def _check(self, now: float) -> None:
        """Raises where the work would be for nothing."""
        if not self.wanted:
            raise CallerGone("Nobody waits for this image any more.")
        if self._deadline is not None and now > self._deadline:
            raise DeadlineUnreachable("The deadline passed before the image was decoded.")
