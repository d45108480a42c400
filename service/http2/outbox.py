"""What one connection sends: frames in the order in which they may go, as much as the client has room for, and all that
is ready in one moment with one write.
"""

import asyncio
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable

from service.http2.answers import BEGINNING
from service.http2.frames import (
    CONTINUATION,
    DATA,
    DEFAULT_FRAME,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEADER,
    HEADERS,
    LARGEST_WINDOW,
    ConnectionFault,
    ErrorCode,
    frame,
)

PREFIX = 5
"""Bytes before a message: whether it is compressed, and its length."""
ANSWER = struct.Struct(f"{HEADER.format}{len(BEGINNING)}s{HEADER.format[1:]}BL")
"""All before the message of a call that has one: a frame with BEGINNING, the head of the next, and the prefix."""
TURN_BYTES = 2**20
"""That are handed to the transport at a time, so that it can say when it has enough."""
LEAST_TAKEN = 2**16
"""Bytes of an answer that a client takes for it to count as one that still takes it."""
FULL_CLIENTS = 4
"""So many times what may wait for one client may wait for all."""


class Outgoing:
    """What a stream has to send: the rest of its messages, and then its trailers."""

    __slots__ = ("begun", "moved", "rest", "taken", "trailers", "waiter", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        """Bytes that the client has room for."""
        self.begun = False
        self.rest: deque[memoryview] = deque()
        self.trailers: bytes | None = None
        self.moved = 0.0
        """When the rest began to wait, or last became less by as much as counts."""
        self.taken = 0
        """Bytes of it since then."""
        self.waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Whoever waits for room to write goes on."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Waiting:
    """Bytes of answers for which clients have no room, over all connections."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 0


class Outbox:
    """One for each connection. What has to be sent and may be is found at once, however much waits for its client."""

    def __init__(self, write: Callable[[bytes], None], waiting: Waiting) -> None:
        self._write = write
        self._all_waiting = waiting
        self.done: Callable[[int], None] = lambda _: None
        """Told the number of a stream whose answer is sent to its end."""
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self._size = 0
        """Of the pieces."""
        self.written = 0
        """Bytes that were handed to the transport."""
        self._scheduled = False
        self._closed = False
        self._ready: dict[int, Outgoing] = {}
        """Streams with something to send and room for it at their end."""
        self.window = DEFAULT_WINDOW
        self.initial_window = DEFAULT_WINDOW
        self.largest_frame = DEFAULT_FRAME
        self.waiting_bytes = 0
        """Of answers that the client has no room for."""
        self.spoke = False
        """Whether anything was said of a call since this was last set."""
        self.paused = False
        """The transport has enough for now."""

    def has_room(self, outgoing: Outgoing, size: int, *, most: int) -> bool:
        """Whether a message of this size goes out at once, or may wait: `most` bytes do for each client."""
        if size <= outgoing.window and size <= self.window and not self.paused:
            return True
        return self.waiting_bytes + size <= most and self._all_waiting.size + size <= most * FULL_CLIENTS

    @property
    def empty(self) -> bool:
        return not self._pieces and not self.waiting_bytes

    def put(self, data: bytes) -> None:
        """Frames of calls, and those that give room for them."""
        self.spoke = True
        self.reply(data)

    def reply(self, data: bytes) -> None:
        """What is said of the connection itself."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > TURN_BYTES:
            self.flush()
        elif not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def answer(self, number: int, outgoing: Outgoing, message: bytes, trailers: bytes) -> None:
        """All of the answer to a call that has one message."""
        size = len(message) + PREFIX
        if size > self.window or size > outgoing.window or size > self.largest_frame or self.paused:
            self.message(number, outgoing, message)
            self.end(number, outgoing, trailers)
            return
        self.window -= size
        begin = (0, len(BEGINNING), HEADERS, END_HEADERS, number, BEGINNING)
        head = ANSWER.pack(*begin, size >> 8, size & 0xFF, DATA, 0, number, 0, size - PREFIX)
        end = HEADER.pack(0, len(trailers), HEADERS, END_HEADERS | END_STREAM, number)
        self.put(b"".join((head, message, end, trailers)))
        self.done(number)

    def message(self, number: int, outgoing: Outgoing, message: bytes) -> None:
        """One message of an answer."""
        if not outgoing.begun:
            outgoing.begun = True
            self.put(frame(HEADERS, END_HEADERS, number, BEGINNING))
        if not outgoing.rest:
            outgoing.moved, outgoing.taken = time.monotonic(), 0
        outgoing.rest.append(memoryview(b"\0" + len(message).to_bytes(4, "big") + message))
        self._wait(PREFIX + len(message))
        self.send(number, outgoing)

    def end(self, number: int, outgoing: Outgoing, trailers: bytes) -> None:
        """The last of an answer; where no message came before it, the trailers are all of it."""
        if outgoing.rest:
            outgoing.trailers = trailers
            return
        block = trailers if outgoing.begun else BEGINNING + trailers
        for part in header_frames(number, block, self.largest_frame):
            self.put(part)
        self.done(number)

    def forget(self, number: int, outgoing: Outgoing) -> None:
        """A stream that was reset."""
        self._ready.pop(number, None)
        self._wait(-sum(map(len, outgoing.rest)))
        outgoing.rest.clear()

    def widen(self, increment: int) -> None:
        """The client has room for so many bytes more. Raises ConnectionFault."""
        self.window += increment
        if self.window > LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window larger than there may be")
        self.pump()

    def send(self, number: int, outgoing: Outgoing) -> None:
        """What waits of one stream, which may have more room now."""
        if outgoing.rest and outgoing.window > 0:
            self._ready[number] = outgoing
            self.pump()
        else:
            self._ready.pop(number, None)

    def pump(self) -> None:
        """Sends what waits, a frame of each stream in turn, as far as windows and transport allow."""
        while self._ready and self.window > 0 and not self.paused:
            number, outgoing = next(iter(self._ready.items()))
            del self._ready[number]
            if outgoing.window > 0:  # the client may have made it smaller since
                self._step(number, outgoing)

    def _step(self, number: int, outgoing: Outgoing) -> None:
        """One frame."""
        part = outgoing.rest[0]
        size = min(len(part), self.window, outgoing.window, self.largest_frame)
        self.window -= size
        outgoing.window -= size
        self._wait(-size)
        outgoing.taken += size
        if outgoing.taken >= LEAST_TAKEN:
            outgoing.moved, outgoing.taken = time.monotonic(), 0
        self.put(frame(DATA, 0, number, bytes(part[:size])))
        if size < len(part):
            outgoing.rest[0] = part[size:]
        else:
            outgoing.rest.popleft()
        if outgoing.rest:
            if outgoing.window > 0:
                self._ready[number] = outgoing
            return
        outgoing.wake()
        if outgoing.trailers is not None:
            self.end(number, outgoing, outgoing.trailers)

    def _wait(self, change: int) -> None:
        self.waiting_bytes += change
        self._all_waiting.size += change

    def _flush(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        """Hands over what is ready."""
        if self._pieces:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            self._size = 0
            self.written += len(data)
            if not self._closed:
                self._write(data)

    def close(self) -> None:
        """Nobody is there any more to whom something could be sent."""
        self._closed = True


def header_frames(number: int, block: bytes, largest: int) -> Iterable[bytes]:
    """A header block that ends a stream."""
    kind, flags = HEADERS, END_STREAM
    while len(block) > largest:
        yield frame(kind, flags, number, block[:largest])
        kind, flags, block = CONTINUATION, 0, block[largest:]
    yield frame(kind, flags | END_HEADERS, number, block)
