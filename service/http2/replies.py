"""What the calls of one connection send: their messages, and how they ended."""

import asyncio

import grpc

from service.http2.answers import OK, Metadata, ending
from service.http2.bodies import Bodies
from service.http2.frames import RST_STREAM, ErrorCode, frame, number
from service.http2.limits import Limits, Noise
from service.http2.outbox import PREFIX, Outbox
from service.http2.stream import Stream, Unacceptable

FAREWELL_SECONDS = 0.02
"""How long a refusal waits for a body that has not begun."""
ANSWERS = 2
"""Of the largest size, so many bytes of which wait until a client takes them."""


class Replies:
    """The connection as a handler's call sees it. Nothing is sent any more of a call that has ended."""

    def __init__(self, outbox: Outbox, bodies: Bodies, limits: Limits, noise: Noise, *, peer: str) -> None:
        self.peer = peer
        self._outbox = outbox
        self._bodies = bodies
        self._limits = limits
        self._noise = noise
        self._loop = asyncio.get_running_loop()

    async def next_message(self, stream: Stream) -> bytes | None:
        """Waits for the next of a call; None after the last."""
        return await self._bodies.next_message(stream)

    async def write(self, stream: Stream, message: bytes) -> None:
        """Sends one message of several; returns when it is on its way. Raises Unacceptable."""
        if stream.answered:
            return
        self._check_size(stream, message)
        outgoing = stream.outgoing
        self._outbox.message(stream.number, outgoing, message)
        while outgoing.rest:
            outgoing.waiter = self._loop.create_future()
            await outgoing.waiter

    def answer(self, stream: Stream, message: bytes) -> None:
        """The one message of a call, which ends it. Raises Unacceptable."""
        if stream.answered:
            return
        self._check_size(stream, message)
        stream.answered = True
        self._noise.answered()
        self._outbox.answer(stream.number, stream.outgoing, message, OK)

    def finish(self, stream: Stream, code: grpc.StatusCode, words: str = "", metadata: Metadata = ()) -> None:
        """Ends a call, after the messages that were sent.

        Where its client has sent nothing of it yet, it hears of the end when it has sent all, or a moment later: while
        gRPC's clients send, a call that ends makes them fail with words of their own.
        """
        if stream.answered:
            return
        trailers = ending(code, words, metadata)
        stream.answered = True
        self._noise.answered()
        if stream.untouched:
            stream.farewell = trailers
            self._loop.call_later(FAREWELL_SECONDS, self.say_farewell, stream)
        else:
            self._outbox.end(stream.number, stream.outgoing, trailers)

    def say_farewell(self, stream: Stream) -> None:
        """Of a call that ended before anything of it came."""
        if stream.farewell is not None:
            trailers, stream.farewell = stream.farewell, None
            self._outbox.end(stream.number, stream.outgoing, trailers)

    def reset(self, at: int, code: ErrorCode) -> None:
        """Ends a stream without an answer."""
        self._outbox.put(frame(RST_STREAM, 0, at, number(code)))

    def _check_size(self, stream: Stream, message: bytes) -> None:
        size, most = len(message), self._limits.message_bytes
        if size > most:
            words = f"The answer has {size} bytes; {most} are the most."
            raise Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
        if not self._outbox.has_room(stream.outgoing, PREFIX + size, most=ANSWERS * (PREFIX + most)):
            words = "Too many answers wait that were not taken; take them, and send the call again."
            raise Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
