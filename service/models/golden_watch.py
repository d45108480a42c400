"""Sends a golden sample through each live version every minute, on the way that requests take.

A device can begin to compute something else than was trained without any error: a version that no longer agrees with
training answers no more, and the server says that it is not ready.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum

import numpy as np
import structlog

from service.engine.errand import own_errand
from service.engine.priority import Priority
from service.errors import (
    DeadlineUnreachable,
    DecoderUnavailable,
    DeviceExhausted,
    ImageUnreadable,
    QueueFull,
    ServiceError,
    ShuttingDown,
    as_told,
)
from service.models.live_model import LiveModel
from service.models.registry import Registry

log = structlog.get_logger("service.golden")

ANSWER_SECONDS = 10.0
"""Until its batch must have begun."""
LONGEST_SECONDS = 60.0
"""Until it must be computed: what takes longer says nothing of right and wrong, and other versions wait."""
SAYS_NOTHING = (
    *(QueueFull, DeadlineUnreachable, DeviceExhausted),
    *(DecoderUnavailable, ImageUnreadable),  # the file was read when the version was loaded: a decoder was ended
    ShuttingDown,  # the version was replaced meanwhile
)
"""Reasons why a sample was not computed that are none to distrust the version."""


class GoldenCheck(StrEnum):
    """How a check ended."""

    OK = "ok"
    MISMATCH = "mismatch"
    FAILED = "failed"
    """The sample could not be computed."""
    SKIPPED = "skipped"
    """There was no room in the queue, no time, or no decoder."""


class GoldenWatch:
    """`run` lives as long as the server."""

    def __init__(
        self,
        registry: Registry,
        *,
        seconds: float,
        tell: Callable[[LiveModel, GoldenCheck, float], None] = lambda _live, _check, _difference: None,
        alarm: Callable[[], Awaitable[None]],
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        """`tell` is given the largest difference of a logit, NaN where there is none; `alarm` ends the readiness."""
        self._registry = registry
        self._seconds = seconds
        self._tell = tell
        self._alarm = alarm
        self._longest_seconds = longest_seconds
        self._round = 0

    async def run(self) -> None:
        """Until it is cancelled; never where `seconds` is 0."""
        while self._seconds:
            await asyncio.sleep(self._seconds)
            await self.look()

    async def look(self) -> None:
        """Checks every live version once, each time with the next of its samples."""
        self._round += 1
        for entry in self._registry.entries():
            for live in () if entry.live is None else (entry.live, *entry.live.others):
                check, difference, cause = await self._check(live)
                self._tell(live, check, difference)
                if check in {GoldenCheck.MISMATCH, GoldenCheck.FAILED}:
                    await self._condemn(live, check, difference, cause)
                    break

    async def _check(self, live: LiveModel) -> tuple[GoldenCheck, float, ServiceError | None]:
        sample = live.samples[self._round % len(live.samples)]
        try:
            prepared = await asyncio.to_thread(live.classifier.prepare, sample.image)
            with own_errand():
                async with asyncio.timeout(self._longest_seconds):
                    row = await live.batcher.submit(  # past the response cache, so that the device is asked
                        prepared.tensor, deadline=time.monotonic() + ANSWER_SECONDS, priority=Priority.HIGH
                    )
        except TimeoutError:
            return GoldenCheck.SKIPPED, float("nan"), None
        except ServiceError as error:
            skipped = isinstance(as_told(error), SAYS_NOTHING)
            return GoldenCheck.SKIPPED if skipped else GoldenCheck.FAILED, float("nan"), error
        difference = float(np.abs(row.logits - sample.logits).max())
        tolerance = live.manifest.variant(live.precision).golden_tolerance
        agrees = difference <= tolerance  # NaN does not
        return GoldenCheck.OK if agrees else GoldenCheck.MISMATCH, difference, None

    async def _condemn(
        self, live: LiveModel, check: GoldenCheck, difference: float, cause: ServiceError | None
    ) -> None:
        name, version = live.manifest.name, live.manifest.version
        tolerance = live.manifest.variant(live.precision).golden_tolerance
        reason = (
            f"a golden sample differs from training by {difference:.3g} (at most {tolerance:.3g} is allowed)"
            if check is GoldenCheck.MISMATCH
            else "a golden sample could not be computed"
        )
        log.critical("golden check failed", model=name, version=version, reason=reason, exc_info=cause)
        await self._alarm()
        await self._registry.condemn(name, version, reason=f"{reason}: what is served is not what was trained")
