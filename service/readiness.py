"""Looks every second whether the server can still do its work, and takes it out of service while it cannot.

What is looked for mends itself or does not: a batch that hangs, decoders that cannot be started. Calls are answered all
the while; who sends them is asked, by way of the probes, to send them elsewhere.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from service.api.health import Health
from service.models.registry import Registry

log = structlog.get_logger("service.readiness")

LOOK_SECONDS = 1.0

Check = Callable[[], str]
"""What is wrong, in one sentence; nothing where nothing is."""


class Readiness:
    """`run` lives as long as the server."""

    def __init__(self, health: Health, checks: Sequence[Check]) -> None:
        self._health = health
        self._checks = checks
        self._suspected = self._troubled = False

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Trouble is believed when it is there at two looks: a process that was stopped looks bad when it wakes up."""
        reason = " ".join(filter(None, (check() for check in self._checks)))
        if reason and self._suspected and not self._troubled:
            self._troubled = True
            log.critical("not ready", reason=reason)
            await self._health.announce_trouble()
        elif not reason and self._troubled:
            self._troubled = False
            log.warning("ready again")
            await self._health.announce_trouble(over=True)
        self._suspected = bool(reason)


def hanging_batches(registry: Registry) -> Check:
    """Whether the thread of a model computes a batch for far longer than such a batch takes."""

    def check() -> str:
        hanging = [
            f"A batch of {entry.name} version {entry.version} has been running for {seconds:.0f} s."
            for entry in registry.entries()
            if entry.answers is not None and (seconds := entry.answers.hanging_seconds) > 0
        ]
        return " ".join(hanging)

    return check
