"""Which session computes a batch on the CPU: one whose threads share a batch, or one of a single thread for each core.

A batch alone is soonest done by all cores together. Batches side by side get in each other's way on the threads of one
session (a tenth to a sixth of the time is lost); on a session without threads of its own each has a core to itself. So
a model that is under load for a while is given a second session, opened beside the requests and proved like the first.
It also computes what is so little work that the cores would spend more on sharing it than they save. Others have none:
it takes as much memory as the first.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import structlog

from service.engine.batcher import Tensor
from service.engine.session import Outputs
from service.engine.side_by_side import SideBySide
from service.models.package import PackageRefused

log = structlog.get_logger("service.layouts")

AGAIN_SECONDS = 60.0
"""After which it is tried once more where there was no memory."""
SMALL_BATCHES = 500
"""After so many a session of one thread has paid for its opening."""
BEHIND = 3
"""The niceness of the thread that opens the session, above that of the others: half the share of a core."""


class Computing(Protocol):
    """What a session does with a batch."""

    def run(self, images: Tensor) -> Outputs: ...

    def stage(self, images: Tensor) -> Callable[[], Outputs]: ...


Open = Callable[[Callable[[], bool]], Computing | None]
"""Opens and proves the session of one thread, from any thread; None where there is no memory for it now, or where it is
not wanted any more, which it may ask.
"""


class Layouts:
    """The sessions of one model. Lives on one event loop."""

    def __init__(
        self,
        wide: Callable[[], Computing],
        *,
        name: str,
        open_narrow: Open | None = None,
        load: SideBySide | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wide` gives the session that was chosen for the model; without `open_narrow` there is no other one."""
        self._wide = wide
        self._name = name
        self._open = open_narrow
        self._narrow: Computing | None = None
        self._load = load or SideBySide()
        self._clock = clock
        self._running = self._small = 0
        self._not_before = 0.0

    @property
    def narrow(self) -> Computing | None:
        """The session of one thread, once it is there."""
        return self._narrow

    @property
    def may_open(self) -> bool:
        """Whether there may be such a session one day."""
        return self._open is not None

    def alone(self, images: Tensor) -> Outputs:
        """Computes a batch that is not counted, from any thread."""
        return self._wide().run(images)

    def small(self, images: Tensor) -> Outputs:
        """Computes a batch of so little work that it is not worth being shared; on the event loop."""
        if self._narrow is not None:
            return self._narrow.run(images)
        self._small += 1
        if self._open is not None and self._small >= SMALL_BATCHES and (now := self._clock()) >= self._not_before:
            self._begin_to_open(self._open, now)
        return self._wide().run(images)

    def stage(self, images: Tensor) -> Callable[[], Outputs]:
        """Makes a batch ready for a GPU, where there is one session."""
        return self._wide().stage(images)

    def begin(self) -> Callable[[Tensor], Outputs]:
        """What computes the batch that begins now, from any thread; to be followed by `end`."""
        self._note(1)
        if self._running > 1 and self._narrow is not None:
            return self._narrow.run
        return self.alone

    def end(self) -> None:
        """The batch is done."""
        self._note(-1)

    def close(self) -> None:
        """Lets go of the session of one thread, and opens none any more."""
        self._open = self._narrow = None

    def _note(self, change: int) -> None:
        self._running += change
        if self._open is None:
            return
        now = self._clock()
        self._load.note(self._running, now)
        if self._load.pays and now >= self._not_before:
            self._begin_to_open(self._open, now)

    def _begin_to_open(self, open_narrow: Open, now: float) -> None:
        """In a thread that a stop waits for: one in the runtime while the interpreter ends would abort the process."""
        loop = asyncio.get_running_loop()
        self._not_before = float("inf")

        def work() -> None:
            with suppress(AttributeError, OSError):  # only Linux knows the niceness of a thread
                thread = threading.get_native_id()
                os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + BEHIND)
            session: Computing | None = None
            failed = False
            try:
                session = open_narrow(lambda: self._open is not None)
            except PackageRefused as error:
                failed = True
                log.warning("no session for batches side by side", model=self._name, reason=str(error))
            except Exception:
                failed = True
                log.exception("no session for batches side by side", model=self._name)
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._opened, session, failed, now)

        threading.Thread(target=work, name=f"opens-{self._name}").start()

    def _opened(self, session: Computing | None, failed: bool, asked_at: float) -> None:
        if self._open is None:  # closed meanwhile
            return
        if session is not None:
            self._narrow, self._open = session, None
            log.info("session for batches side by side", model=self._name, seconds=self._clock() - asked_at)
        elif failed:
            self._open = None
        else:
            self._small = 0
            self._load.begin_anew()
            self._not_before = self._clock() + AGAIN_SECONDS
