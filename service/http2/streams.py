"""The calls of one connection: opened by a head, fed by what follows, ended by an answer, a reset or the time."""

import asyncio
import time

import grpc

from service.http2.answering import answer_call
from service.http2.answers import http_status
from service.http2.bodies import ONE_MESSAGE, Bodies
from service.http2.context import CallDetails
from service.http2.endings import Endings
from service.http2.frames import (
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LARGEST_WINDOW,
    ConnectionFault,
    ErrorCode,
    frame,
)
from service.http2.head import Head, Malformed
from service.http2.header_blocks import FREE_BYTES, HeaderBlocks
from service.http2.limits import OF_REFUSAL, OF_RESET, Noise
from service.http2.numbers import Numbers
from service.http2.outbox import Outbox
from service.http2.replies import Replies
from service.http2.site import Site
from service.http2.stream import RpcHandler, Stream, Unacceptable

LINGER_SECONDS = 1.0
"""In which a client hears of the end of a call that it is still sending, before that is reset: gRPC's clients fail to
send with words of their own where the reset comes first.
"""
STALLED_SECONDS = 60.0
"""How long an answer waits for a client that takes nothing of it."""


class Streams:
    """What the frames of streams do."""

    def __init__(self, outbox: Outbox, site: Site, noise: Noise, *, peer: str) -> None:
        self.numbers = Numbers()
        self._outbox = outbox
        outbox.done = self._sent
        self._find = site.find
        self._limits = limits = site.limits
        self._noise = noise
        self._blocks = HeaderBlocks(largest=limits.metadata_bytes)
        self.largest_block = self._blocks.largest_block
        self._bodies = Bodies(outbox, site.intake, limits)
        self._replies = Replies(outbox, self._bodies, limits, noise, peer=peer)
        self._open: dict[int, Stream] = {}
        self._ending = Endings()
        self._half: dict[int, float] = {}
        """Since when streams are answered whose clients have not ended them."""
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._open) + len(self._ending)

    def head(self, at: int, block: bytes, now: float, *, ended: bool) -> None:
        """A header block. Raises ConnectionFault."""
        if not at & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream of the server's, opened by the client")
        if len(block) > FREE_BYTES:
            self._noise.add(self._blocks.noise(block), now)
        if not self.numbers.open(at):
            self._later_head(at, block, now, ended=ended)
            return
        try:
            head = self._blocks.read(block)
        except Malformed:
            self._noise.add(OF_RESET, now)
            self._replies.reset(at, ErrorCode.PROTOCOL_ERROR)
            return
        if (
            len(self._open) + len(self._ending) + len(self._half) >= self._limits.streams
            or self._outbox.waiting_bytes > self._limits.message_bytes
        ):
            self._noise.add(1.0, now)
            self._replies.reset(at, ErrorCode.REFUSED_STREAM)
            return
        stream = self._open[at] = Stream(at, head, now=now, window=self._outbox.initial_window)
        self._begin(stream, head, now, ended=ended)

    def _later_head(self, at: int, block: bytes, now: float, *, ended: bool) -> None:
        """Trailers, or what a client sent that did not know yet; they belong to the table of fields in any case."""
        trailers = self._blocks.skip(block)
        self._noise.add(1.0, now)
        stream = self._open.get(at)
        if stream is not None and trailers and ended and not stream.ended:
            self.data(at, b"", 0, now, ended=True)
        elif stream is not None:
            self.spoil(at, ErrorCode.STREAM_CLOSED if stream.ended else ErrorCode.PROTOCOL_ERROR)
        elif self.numbers.was_passed_over(at):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a head on a stream that was passed over")
        elif at <= self.numbers.taken_until:
            self._replies.reset(at, ErrorCode.STREAM_CLOSED)

    def spoil(self, at: int, code: ErrorCode) -> bool:
        """Ends a call whose client broke the protocol. Gives whether the fault is of the stream alone."""
        stream = self._open.get(at)
        if stream is not None:
            self._replies.reset(at, code)
            self._drop(stream)
        return not self.numbers.is_idle(at) and at != 0

    def _begin(self, stream: Stream, head: Head, now: float, *, ended: bool) -> None:
        stream.ended = ended
        refusal = head.refusal
        if refusal is not None:
            self._noise.add(OF_REFUSAL, now)
        if refusal is not None and refusal.http_status != 200:
            block = http_status(refusal.http_status)
            self._outbox.put(frame(HEADERS, END_HEADERS | END_STREAM, stream.number, block))
            self._sent(stream.number)
        elif refusal is not None:
            self._replies.finish(stream, refusal.code, refusal.words)
        else:
            handler = stream.handler = stream.context.run(self._find, CallDetails(head.path, head.metadata))
            if handler is None:
                self._noise.add(OF_REFUSAL, now)
                self._replies.finish(stream, grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
            elif handler.request_streaming:
                self._run(stream, handler)
            elif ended:
                self._replies.finish(stream, grpc.StatusCode.UNIMPLEMENTED, ONE_MESSAGE)

    def data(self, at: int, payload: bytes, size: int, now: float, *, ended: bool) -> None:
        """Of a body; `size` is what it counts. Raises ConnectionFault."""
        stream = self._open.get(at)
        if stream is None:
            if self.numbers.is_idle(at):
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a body without a head")
            self._noise.add(1.0, now)  # the client did not know yet that the call is over
            if ended:
                self._half.pop(at, None)
            return
        if stream.ended:
            self._noise.add(1.0, now)
            self.spoil(at, ErrorCode.STREAM_CLOSED)
            return
        if stream.farewell is not None:
            if ended:
                stream.ended = True
                self._replies.say_farewell(stream)
            return
        if not payload and not ended:
            self._noise.add(1.0, now)
        try:
            self._bodies.receive(stream, payload, size, now, ended=ended)
            self._went_on(stream)
        except Unacceptable as error:
            self._ending.cancel(stream)
            self._replies.finish(stream, error.code, error.words)

    def _went_on(self, stream: Stream) -> None:
        handler = stream.handler
        if handler is None or stream.answered:
            return
        if handler.request_streaming:
            stream.wake()
            return
        count = len(stream.messages)
        if count > 1 or (stream.ended and not count):
            raise Unacceptable(grpc.StatusCode.UNIMPLEMENTED, ONE_MESSAGE)
        if stream.ended:
            self._bodies.release(stream)
            self._run(stream, handler)

    def _run(self, stream: Stream, handler: RpcHandler) -> None:
        stream.task = self._loop.create_task(answer_call(stream, handler, self._replies), context=stream.context)

    def _sent(self, at: int) -> None:
        """The answer is on its way, to its end."""
        stream = self._open.pop(at, None)
        if stream is not None:
            stream.answered = True
            if not stream.ended:
                self._half[at] = time.monotonic()
            self._bodies.release(stream)
            if not self._open:
                self._outbox.flush()  # nobody else of this connection will have an answer in this moment

    def reset(self, at: int, now: float) -> None:
        """By the client: nobody waits for the answer. Raises ConnectionFault."""
        if self.numbers.is_idle(at):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the reset of a call that there is not")
        if self._half.pop(at, None) is not None:
            return
        self._noise.add(OF_RESET, now)
        stream = self._open.get(at)
        if stream is not None:
            self._drop(stream)

    def widen(self, at: int, increment: int, now: float) -> None:
        """The client has room for more of an answer. Raises ConnectionFault."""
        stream = self._open.get(at)
        if stream is None:
            if self.numbers.is_idle(at):
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "room for a call that there is not")
            self._noise.add(1.0, now)
            return
        stream.outgoing.window += increment
        if increment == 0 or stream.outgoing.window > LARGEST_WINDOW:
            self.spoil(at, ErrorCode.FLOW_CONTROL_ERROR if increment else ErrorCode.PROTOCOL_ERROR)
        else:
            self._outbox.send(at, stream.outgoing)

    def change_windows(self, change: int) -> None:
        """Of all answers: the client has another idea of where they begin. Raises ConnectionFault."""
        for stream in list(self._open.values()):
            stream.outgoing.window += change
            if stream.outgoing.window > LARGEST_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window larger than there may be")
        for stream in list(self._open.values()):
            self._outbox.send(stream.number, stream.outgoing)

    def sweep(self, now: float) -> None:
        """Ends calls whose time is up, answers that nobody takes, and what is left of answered ones."""
        for at, since in list(self._half.items()):
            if now - since < LINGER_SECONDS:
                break
            del self._half[at]
            self._replies.reset(at, ErrorCode.NO_ERROR)  # nothing more of it is wanted (RFC 9113, section 8.1)
        for stream in list(self._open.values()):
            overdue = stream.overdue(now, self._limits.body_seconds)
            if overdue is not None:
                self._ending.cancel(stream)
                self._replies.finish(stream, overdue.code, overdue.words)
            elif stream.outgoing.rest and now - stream.outgoing.moved > STALLED_SECONDS:
                self.spoil(stream.number, ErrorCode.CANCEL)

    def close(self) -> None:
        """The connection is gone. First go those that wait for room, which the others would give them."""
        streams = sorted(self._open.values(), key=lambda stream: stream.grant is None or not stream.grant.asked)
        for stream in streams:
            self._drop(stream)

    def _drop(self, stream: Stream) -> None:
        self._open.pop(stream.number, None)
        stream.answered, stream.farewell = True, None
        self._ending.cancel(stream)
        self._outbox.forget(stream.number, stream.outgoing)
        self._bodies.release(stream)
