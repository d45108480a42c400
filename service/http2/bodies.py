"""What the calls of one connection bring: taken as it comes, within the room that was given and the memory there is."""

import asyncio

import grpc

from service.http2.frames import WINDOW_UPDATE, ConnectionFault, ErrorCode, frame, number
from service.http2.intake import Intake
from service.http2.limits import STREAM_WINDOW, Limits
from service.http2.outbox import PREFIX, Outbox
from service.http2.stream import Stream, Unacceptable

ONE_MESSAGE = "This method takes exactly one message."


class Bodies:
    """Of one connection."""

    def __init__(self, outbox: Outbox, intake: Intake, limits: Limits) -> None:
        self._outbox = outbox
        self._intake = intake
        self._limits = limits
        self._held = 0

    def receive(self, stream: Stream, payload: bytes, size: int, now: float, *, ended: bool) -> None:
        """Bytes of a call; `size` is what they count. Raises ConnectionFault or Unacceptable."""
        stream.room -= size
        if stream.room < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more than the window of a call")
        whole = len(stream.messages)
        if not stream.body:
            stream.begun = now
        stream.take(payload, largest=self._limits.message_bytes)
        if ended:
            stream.ended = True
            if stream.body:
                raise Unacceptable(grpc.StatusCode.INTERNAL, "The call ended in the middle of a message.")
            return
        if len(stream.messages) > whole:
            stream.begun = now
        stream.used += size - len(payload)
        self._wait_for_more(stream, len(payload))

    async def next_message(self, stream: Stream) -> bytes | None:
        """Waits for the next of a call; None after the last."""
        while not stream.messages:
            if stream.ended:
                return None
            stream.reader = asyncio.get_running_loop().create_future()
            await stream.reader
        return self._take(stream)

    def _take(self, stream: Stream) -> bytes:
        """The first that is whole; the client has room for another then."""
        message = stream.messages.popleft()
        stream.used += PREFIX + len(message)
        if stream.held:
            self._let_go(stream, min(stream.held, PREFIX + len(message)))
        if stream.grant is not None and not stream.missing:
            stream.used -= stream.grant.size
            self._intake.release(stream.grant)
            stream.grant = None
        if stream.used >= STREAM_WINDOW // 2 and not stream.ended:
            self._give(stream, stream.used)
            stream.used = 0
        return message

    def release(self, stream: Stream) -> None:
        """The call needs no room any more."""
        if stream.held:
            self._let_go(stream, stream.held)
        if stream.grant is not None:
            self._intake.release(stream.grant)
            stream.grant = None

    def _wait_for_more(self, stream: Stream, size: int) -> None:
        if stream.grant is None:
            if self._held + size > self._limits.message_bytes or not self._intake.hold(size):
                words = "Too many messages come at a time that are not whole; send it again later."
                raise Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
            self._held += size
            stream.held += size
            if stream.missing > stream.room:
                stream.grant = self._intake.ask(stream.missing - stream.room, lambda room: self._give(stream, room))

    def _let_go(self, stream: Stream, size: int) -> None:
        stream.held -= size
        self._held -= size
        self._intake.let_go(size)

    def _give(self, stream: Stream, room: int) -> None:
        stream.room += room
        self._outbox.put(frame(WINDOW_UPDATE, 0, stream.number, number(room)))
