"""How long a connection lives: until it is idle, old, silent or told to go. It is left so that no call is lost
(RFC 9113, section 6.8).
"""

import asyncio
import random
import time

from service.http2.frames import GOAWAY, LARGEST_NUMBER, PING, ErrorCode, frame, number
from service.http2.limits import Limits
from service.http2.outbox import Outbox
from service.http2.streams import Streams
from service.http2.unacknowledged import unacknowledged

LAST_WORDS = b"lastcall"
"""In the ping behind the first GOAWAY: when it comes back, all calls that were sent before have come too."""
ALIVE = b"stillon?"
ANSWER_SECONDS = 2.0
"""In which that ping comes back, or is no longer waited for."""
LINGER_SECONDS, FAULT_LINGER_SECONDS = 10.0, 1.0
"""In which the client closes a connection that is done, or broken. What it sends is read away until then: the system
would answer that with a reset, which takes the last answers away.
"""
TAKE_SECONDS = 60.0
"""In which a client takes the last of its answers, which the system or TLS have."""
AGE_SPREAD = 0.1
"""Connections that began together do not end together."""


class Life:
    """Of one connection."""

    def __init__(
        self, transport: asyncio.Transport, outbox: Outbox, streams: Streams, limits: Limits, now: float
    ) -> None:
        self._transport = transport
        self._outbox = outbox
        self._streams = streams
        self._limits = limits
        self.began_at = self.heard_at = self._busy_at = now
        self.greeted = False
        self._asked_at: float | None = None
        self._taken = 0
        """Bytes that the client had taken when it was last looked at, as far as can be seen."""
        self._leaving_at: float | None = None
        self._left = False
        self._hung_up_at: float | None = None
        self.is_over = False
        """It was hung up."""
        self._lingers_for = LINGER_SECONDS
        self._age = limits.age_seconds * random.uniform(1 - AGE_SPREAD, 1 + AGE_SPREAD)

    @property
    def is_leaving(self) -> bool:
        return self._leaving_at is not None

    @property
    def _is_sent(self) -> bool:
        return self._outbox.empty and not self._transport.get_write_buffer_size()

    def leave(self, now: float, words: str) -> None:
        """The client shall open another connection for new calls; those that are on their way are still taken."""
        if self._leaving_at is None and not self.is_over:
            self._leaving_at = now
            self._goaway(LARGEST_NUMBER, ErrorCode.NO_ERROR, words)
            self._outbox.reply(frame(PING, 0, 0, LAST_WORDS))

    def acknowledged(self, payload: bytes, now: float) -> None:
        """A ping came back."""
        self._asked_at = None
        if payload == LAST_WORDS and self._leaving_at is not None:
            self._take_no_more()
            self.tick(now)

    def _take_no_more(self) -> None:
        if not self._left:
            self._left = True
            self._streams.numbers.take_no_more()
            self._goaway(self._streams.numbers.last, ErrorCode.NO_ERROR, "")

    def hang_up(self, code: ErrorCode = ErrorCode.NO_ERROR, words: str = "") -> None:
        """With the reason where there is one; whatever was sent still arrives."""
        if self.is_over:
            return
        self._hung_up_at, self.is_over = time.monotonic(), True
        if code is not ErrorCode.NO_ERROR:
            self._goaway(self._streams.numbers.last, code, words)
            self._lingers_for = FAULT_LINGER_SECONDS
        self._outbox.flush()
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
        else:
            self._transport.close()

    def tick(self, now: float) -> None:
        """Called a few times a second."""
        if self._hung_up_at is not None:
            if now - self._hung_up_at > self._lingers_for:
                self._transport.abort()
            return
        if len(self._streams) or (self._leaving_at is None and not self._is_sent):
            self._busy_at = now
        if self._leaving_at is not None:
            if now - self._leaving_at > ANSWER_SECONDS:
                self._take_no_more()
            if self._left and not len(self._streams) and (self._is_sent or now - self._busy_at > TAKE_SECONDS):
                self.hang_up()
        elif now - self._busy_at > self._limits.idle_seconds:
            self.leave(now, "idle")
        elif self._age and now - self.began_at > self._age:
            self.leave(now, "max_age")
        self._ask(now)

    def _ask(self, now: float) -> None:
        """Whether the client is still there, when it has said nothing for long. The ping comes to it behind what it
        has yet to take of its answers; while it takes of them it is there.
        """
        if self._asked_at is not None and self.heard_at > self._asked_at:
            self._asked_at = None
        if self._asked_at is not None:
            before, self._taken = self._taken, self._taken_bytes()
            if self._taken > before:
                self._asked_at = now
            elif now - self._asked_at > self._limits.keepalive_answer_seconds:
                self._transport.abort()
        elif now - self.heard_at > self._limits.keepalive_seconds:
            self._asked_at, self._taken = now, self._taken_bytes()
            self._outbox.reply(frame(PING, 0, 0, ALIVE))

    def _taken_bytes(self) -> int:
        return self._outbox.written - self._transport.get_write_buffer_size() - unacknowledged(self._transport)

    def _goaway(self, last: int, code: ErrorCode, words: str) -> None:
        self._outbox.reply(frame(GOAWAY, 0, 0, number(last) + number(code) + words.encode()))
