"""What the calls of one connection bring: taken as it comes, within the room that was given and the memory there is."""

import asyncio
import time

import grpc

from service.http2.frames import WINDOW_UPDATE, ConnectionFault, ErrorCode, frame, number
from service.http2.intake import Grant, Intake, Share
from service.http2.limits import CONNECTION_WINDOW, STREAM_WINDOW, Limits
from service.http2.outbox import PREFIX, Outbox
from service.http2.stream import Stream, Unacceptable

ONE_MESSAGE = "This method takes exactly one message."
MESSAGE_OVERHEAD = 64
"""What a message that waits for its handler counts besides its bytes: Python needs that much for the shortest."""
NEIGHBOURLY = 64
"""After so many that came together a handler, which may wait for nothing else, lets others have the loop."""


class Bodies:
    """Of one connection."""

    def __init__(self, outbox: Outbox, intake: Intake, limits: Limits) -> None:
        self._outbox = outbox
        self._intake = intake
        self._limits = limits
        self._share = Share()

    def receive(self, stream: Stream, payload: bytes, size: int, now: float, *, ended: bool) -> None:
        """Bytes of a call; `size` is what they count. Raises ConnectionFault or Unacceptable."""
        stream.room -= size
        if stream.room < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more than the window of a call")
        stream.ended = ended
        if stream.answered:
            self._discard(stream)
            return
        try:
            if ended and not stream.takes_many:
                stream.take(payload, largest=self._limits.message_bytes)
            else:
                self._count(stream, len(payload))
                self._keep(stream, payload, now)
        except Unacceptable:
            self._discard(stream)
            raise
        if not ended:
            padding = size - len(payload)
            stream.used += padding
            self._make_room(stream, padding)
        elif stream.body:
            raise Unacceptable(grpc.StatusCode.INTERNAL, "The call ended in the middle of a message.")

    async def next_message(self, stream: Stream) -> bytes | None:
        """Waits for the next of a call; None after the last."""
        waiting = len(stream.messages)
        if waiting and not waiting % NEIGHBOURLY:
            await asyncio.sleep(0)
        while not stream.messages:
            if stream.ended:
                return None
            stream.reader = asyncio.get_running_loop().create_future()
            await stream.reader
        return self._take(stream)

    def release(self, stream: Stream) -> None:
        """The call needs no room any more."""
        if stream.held:
            self._let_go(stream, stream.held)
        if stream.grant is not None:
            self._intake.withdraw(stream.grant)
            stream.grant = None
            stream.granted = 0

    def _discard(self, stream: Stream) -> None:
        """Nobody reads what came of the call."""
        stream.messages.clear()
        stream.body.clear()
        self.release(stream)

    def _keep(self, stream: Stream, payload: bytes, now: float) -> None:
        """For a handler that takes it later, or until the rest comes."""
        whole, began = len(stream.messages), not stream.body
        stream.take(payload, largest=self._limits.message_bytes)
        more = len(stream.messages) - whole
        if more:
            self._count(stream, more * MESSAGE_OVERHEAD)
        if more or began:
            stream.begun = now

    def _count(self, stream: Stream, size: int) -> None:
        """What comes, against the room that was granted, and then against what all may hold."""
        if stream.granted:
            granted = min(stream.granted, size)
            stream.granted -= granted
            size -= granted
        if not self._intake.hold(self._share, size):
            words = "Too many messages come at a time that are not whole; send it again later."
            raise Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
        stream.held += size

    def _take(self, stream: Stream) -> bytes:
        """The first that is whole; the client has room for another then."""
        message = stream.messages.popleft()
        size = PREFIX + len(message)
        stream.used += size
        back = unused = 0
        if stream.grant is not None:
            back = min(stream.grant.size, size)
            stream.used -= back
            self._intake.put_back(stream.grant, back)
            unused = max(0, stream.granted - stream.grant.size)  # asked for padding that did not come
            stream.granted -= unused
        self._let_go(stream, min(stream.held, size - back + unused + MESSAGE_OVERHEAD))
        if not stream.ended:
            if stream.body and not stream.messages:
                stream.begun = time.monotonic()  # while others waited before it, its client may have had no room
            self._make_room(stream)
        return message

    def _make_room(self, stream: Stream, padding: int = 0) -> None:
        """Anew for what is gone (padding, and what was taken), and more for a message that is larger than the window:
        as much again as has come of it, once half of what it had is used up. A client that pads will do so again.
        """
        missing = 0 if stream.messages else stream.missing
        if missing:
            missing += padding
        if stream.used >= STREAM_WINDOW // 2 or (stream.used and missing > stream.room):
            self._give(stream, stream.used)
            stream.used = 0
        if missing <= stream.room:
            return
        ahead = min(max(STREAM_WINDOW, len(stream.body)), CONNECTION_WINDOW)
        if stream.room >= ahead // 2:
            return
        if stream.grant is None:
            stream.grant = Grant(self._share, lambda room: self._granted(stream, room))
        if not stream.grant.asked:
            self._intake.ask(stream.grant, min(missing - stream.room, ahead))

    def _granted(self, stream: Stream, room: int) -> None:
        stream.granted += room
        self._give(stream, room)

    def _let_go(self, stream: Stream, size: int) -> None:
        stream.held -= size
        self._intake.let_go(self._share, size)

    def _give(self, stream: Stream, room: int) -> None:
        stream.room += room
        self._outbox.put(frame(WINDOW_UPDATE, 0, stream.number, number(room)))
