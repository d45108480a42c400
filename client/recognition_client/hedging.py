"""Hedging: a call that is slow to answer is sent once more, to the replica whose turn it is; the first answer wins.

It cuts the slowest answers where one of several replicas is slow for a moment. Among many calls the turn may come to
the same replica again, so a third attempt follows after as long again. A service that is slow because it is full must
not get more to do: a budget allows one call in ten a further attempt in the long run, and none follows after a refusal.
"""

import asyncio
import math
import queue
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar, cast

import grpc
import grpc.aio

MOST_ATTEMPTS = 3
SHARE = 0.1
"""How much of a further attempt each call earns."""
MOST_SAVED = 10.0
"""Further attempts that calls may earn in advance; a new client has them."""
_WORTH_WAITING = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
)
"""After these another attempt may still be answered; any other error would be its answer too."""

Response = TypeVar("Response")
AsyncAttempt: TypeAlias = Callable[[float], Awaitable[Response]]
# Quoted: the stubs know a type parameter that the class itself does not take.
Attempt: TypeAlias = "Callable[[float], grpc.Future[Response]]"


class Hedging:
    """When a call is sent again. May be shared by threads."""

    def __init__(self, after_seconds: float) -> None:
        if not (math.isfinite(after_seconds) and after_seconds > 0):
            raise ValueError(f"hedge_after_seconds is a positive number, and not {after_seconds}")
        self._after_seconds = after_seconds
        self._saved = MOST_SAVED
        self._lock = threading.Lock()

    def call(self, attempt: "Attempt[Response]", *, timeout_seconds: float) -> Response:
        """`attempt` begins a call with its deadline. Raises grpc.RpcError where no attempt was answered."""
        self._earn()
        end = time.monotonic() + timeout_seconds
        ended: queue.SimpleQueue[grpc.Future[Response]] = queue.SimpleQueue()
        attempts = [_begun(attempt, timeout_seconds, ended)]
        failed = 0
        try:
            while True:
                may_hedge = failed == 0 and len(attempts) < MOST_ATTEMPTS
                try:
                    first = ended.get(timeout=self._after_seconds if may_hedge else None)
                except queue.Empty:
                    left = end - time.monotonic()
                    if left <= 0 or not self._spend():
                        first = ended.get()
                    else:
                        attempts.append(_begun(attempt, left, ended))
                        continue
                failed += 1
                if failed == len(attempts) or not _worth_waiting(first.exception()):
                    return first.result()
        finally:
            for call in attempts:
                call.cancel()

    async def call_async(self, attempt: "AsyncAttempt[Response]", *, timeout_seconds: float) -> Response:
        """The same with asyncio."""
        self._earn()
        end = time.monotonic() + timeout_seconds
        attempts = [asyncio.ensure_future(attempt(timeout_seconds))]
        failed: set[asyncio.Future[Response]] = set()
        try:
            while True:
                may_hedge = not failed and len(attempts) < MOST_ATTEMPTS
                waiting = [call for call in attempts if call not in failed]
                after = self._after_seconds if may_hedge else None
                ended, _ = await asyncio.wait(waiting, timeout=after, return_when=asyncio.FIRST_COMPLETED)
                left = end - time.monotonic()
                if not ended and left > 0 and self._spend():
                    attempts.append(asyncio.ensure_future(attempt(left)))
                    continue
                if not ended:
                    ended, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for first in ended:
                    failed.add(first)
                    if len(failed) == len(attempts) or not _worth_waiting(first.exception()):
                        return first.result()
        finally:
            for call in attempts:
                call.cancel()

    def _earn(self) -> None:
        with self._lock:
            self._saved = min(MOST_SAVED, self._saved + SHARE)

    def _spend(self) -> bool:
        with self._lock:
            if self._saved < 1.0:
                return False
            self._saved -= 1.0
            return True


def _begun(
    attempt: "Attempt[Response]", seconds: float, ended: "queue.SimpleQueue[grpc.Future[Response]]"
) -> "grpc.Future[Response]":
    call = attempt(seconds)
    call.add_done_callback(lambda _: ended.put(call))
    return call


def _worth_waiting(error: BaseException | None) -> bool:
    return isinstance(error, grpc.RpcError) and cast("grpc.Call", error).code() in _WORTH_WAITING
