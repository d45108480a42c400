"""One call on a connection: its messages as they come in, and how far it is."""

import contextvars
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import grpc

from service.http2.head import Head
from service.http2.limits import STREAM_WINDOW
from service.http2.outbox import PREFIX, Outgoing

if TYPE_CHECKING:
    import asyncio

    from service.http2.intake import Grant

RpcHandler: TypeAlias = "grpc.RpcMethodHandler[object, object]"


class Unacceptable(Exception):
    """The call ends with this, whatever its handler would have said."""

    def __init__(self, code: grpc.StatusCode, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


class Stream:
    """Lives from the request's head until its answer is sent, or it is reset."""

    __slots__ = (
        "answered",
        "arrived",
        "begun",
        "body",
        "context",
        "deadline",
        "ended",
        "farewell",
        "grant",
        "granted",
        "handler",
        "head",
        "held",
        "messages",
        "number",
        "outgoing",
        "reader",
        "room",
        "task",
        "used",
    )

    def __init__(self, number: int, head: Head, *, now: float, window: int) -> None:
        self.number = number
        self.head = head
        self.handler: RpcHandler | None = None
        self.context = contextvars.copy_context()
        """In which the gate notes who calls, and the handler runs."""
        self.arrived = self.begun = now
        """The call, and the message that is not whole yet."""
        self.deadline = None if head.timeout_seconds is None else now + head.timeout_seconds
        self.outgoing = Outgoing(window)
        self.messages: deque[bytes] = deque()
        """That are whole and not taken yet."""
        self.body = bytearray()
        """Of the message that is not whole yet."""
        self.room = STREAM_WINDOW
        self.used = 0
        """Bytes that were taken and for which no new room was given."""
        self.held = 0
        self.grant: Grant | None = None
        self.granted = 0
        """Of that what the client has not used yet."""
        self.ended = False
        """The client has sent all."""
        self.answered = False
        self.farewell: bytes | None = None
        """How the call ended, where that was before anything of its body came."""
        self.task: asyncio.Task[None] | None = None
        self.reader: asyncio.Future[None] | None = None
        """Of a handler that waits for a message."""

    def take(self, data: bytes, *, largest: int) -> None:
        """The next bytes of the body. Raises Unacceptable."""
        if self.body:
            self.body += data
            data = b""
            if len(self.body) < PREFIX or len(self.body) < PREFIX + _length(self.body, largest):
                return
            data = bytes(self.body)
            self.body.clear()
        at, size = 0, len(data)
        while size - at >= PREFIX:
            end = at + PREFIX + _length(data[at : at + PREFIX], largest)
            if end > size:
                break
            self.messages.append(data[at + PREFIX : end])
            at = end
        if at < size:
            self.body += data[at:]

    @property
    def takes_many(self) -> bool:
        """Whether its handler is given messages as they come."""
        return self.handler is not None and bool(self.handler.request_streaming)

    @property
    def untouched(self) -> bool:
        """Whether its client has yet to send anything of it, and will."""
        return self.room == STREAM_WINDOW and not self.ended

    @property
    def missing(self) -> int:
        """Bytes of the message that has begun which have yet to come, once its length is known."""
        if len(self.body) < PREFIX:
            return 0
        return PREFIX + int.from_bytes(self.body[1:PREFIX], "big") - len(self.body)

    def overdue(self, now: float, body_seconds: float) -> "Unacceptable | None":
        """How the call ends where its time is up, or that in which a message must come."""
        if self.answered:
            return None
        if self.deadline is not None and now >= self.deadline:
            return Unacceptable(grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline of the call has passed.")
        if self.ended or now - (self.begun if self.takes_many else self.arrived) <= body_seconds:
            return None
        if self.takes_many and (self.messages or not self.body):
            return None
        words = f"A message did not come within {body_seconds:g} s."
        return Unacceptable(grpc.StatusCode.DEADLINE_EXCEEDED, words)

    def wake(self) -> None:
        """A handler that waits for a message goes on."""
        if self.reader is not None and not self.reader.done():
            self.reader.set_result(None)


def _length(prefix: bytes | bytearray, largest: int) -> int:
    """Of the message that it stands before. Raises Unacceptable."""
    if prefix[0]:
        raise Unacceptable(
            grpc.StatusCode.INTERNAL, "A message is flagged as compressed, and the call names no encoding."
        )
    length = int.from_bytes(prefix[1:PREFIX], "big")
    if length > largest:
        words = f"The message has {length} bytes; {largest} are the most."
        raise Unacceptable(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
    return length
