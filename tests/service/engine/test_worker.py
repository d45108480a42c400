"""What the task behind a queue survives, and what ends it."""

import asyncio

import pytest
from structlog.testing import capture_logs

from service.engine.worker import ends_the_worker, tell


def test_a_report_is_handed_over() -> None:
    """As it is."""
    seen: list[int] = []
    tell(seen.append, 7)
    assert seen == [7]


def test_an_observer_that_fails_is_logged_and_nothing_more() -> None:
    """With its traceback, for whoever wrote it."""

    def observe(report: int) -> None:
        raise ValueError(report)

    with capture_logs() as log:
        tell(observe, 7)
    (entry,) = log
    assert (entry["event"], entry["log_level"], entry["exc_info"]) == ("observer failed", "error", True)


@pytest.mark.parametrize(
    ("error", "ends"),
    [(RuntimeError(), False), (MemoryError(), False), (KeyboardInterrupt(), True), (SystemExit(), True)],
)
def test_errors_of_the_work_do_not_end_the_worker(error: BaseException, ends: bool) -> None:
    """Only what is meant for the process does."""
    assert ends_the_worker(error) is ends


async def test_the_session_s_own_cancellation_does_not_end_the_worker() -> None:
    """Somebody cancelled what the worker waits for."""
    inner: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> bool:
        try:
            await inner
        except asyncio.CancelledError as error:
            return ends_the_worker(error)
        return False

    worker = asyncio.create_task(work())
    await asyncio.sleep(0)
    inner.cancel()
    assert await worker is False


async def test_the_worker_s_own_cancellation_ends_it() -> None:
    """Somebody cancelled the worker."""

    async def work() -> bool:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            return ends_the_worker(error)
        return False

    worker = asyncio.create_task(work())
    await asyncio.sleep(0)
    worker.cancel()
    assert await worker is True
