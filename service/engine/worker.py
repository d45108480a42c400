"""What the task behind a queue must survive: a watcher that fails, and a session that is cancelled by itself."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import structlog

log = structlog.get_logger("service.worker")

Report = TypeVar("Report")


def tell(observe: Callable[[Report], None], report: Report) -> None:
    """Hands over a report; who only watches must not stop the work."""
    try:
        observe(report)
    except Exception:
        log.exception("observer failed")


def ends_the_worker(error: BaseException) -> bool:
    """Whether the worker itself was told to end: a CancelledError may as well be the session's own."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return not isinstance(error, Exception)
