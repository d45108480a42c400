"""One connection of a client: its bytes in, and each frame to where it belongs (RFC 9113, sections 5 and 6)."""

import asyncio
import time
from typing import cast

import structlog

from service.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LARGEST_NUMBER,
    PADDED,
    PING,
    PRIORITISED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    SIZES,
    WINDOW_UPDATE,
    ConnectionFault,
    ErrorCode,
    Frame,
    FrameReader,
    check_place,
    frame,
    number,
    unpadded,
)
from service.http2.header_blocks import Unfinished
from service.http2.life import Life
from service.http2.limits import CONNECTION_WINDOW, FRAME, MOST_CONTINUATIONS, OF_SETTINGS, Noise, Pings
from service.http2.outbox import TURN_BYTES, Outbox
from service.http2.settings import PeerSettings, greeting
from service.http2.site import Site, peer_of
from service.http2.streams import Streams
from service.http2.turns import Turns

log = structlog.get_logger("service.http2")

WRONG_SIZE = ErrorCode.FRAME_SIZE_ERROR


class Connection(asyncio.Protocol):
    """Made for each client that connects."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reader = FrameReader(largest=FRAME)
        self._unread = CONNECTION_WINDOW
        """Room that the client has."""
        self._block: Unfinished | None = None
        self._peer_settings: PeerSettings | None = None
        self._broken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        now = time.monotonic()
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=TURN_BYTES)
        self._turns = Turns(self._transport, self._frame)
        self._outbox = Outbox(self._transport.write, self._site.waiting)
        self._noise = Noise(now, streams=self._site.limits.streams)
        self._pings = Pings(self._site.limits.ping_seconds)
        self._streams = Streams(self._outbox, self._site, self._noise, peer=peer_of(transport))
        self._life = Life(self._transport, self._outbox, self._streams, self._site.limits, now)
        self._site.connections.add(self)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._break(ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the client does not ask for HTTP/2 (ALPN h2)"))
            return
        self._outbox.reply(greeting(self._site.limits))

    def data_received(self, data: bytes) -> None:
        if self._broken or self._life.is_over:
            return
        now = self._life.heard_at = time.monotonic()
        try:
            frames = self._reader.read(data)
        except ConnectionFault as fault:
            self._break(fault)
        else:
            self._turns.add(frames, now)

    def _frame(self, found: Frame, now: float) -> None:
        if self._broken or self._life.is_over:
            return
        kind, flags, stream, payload = found
        try:
            if self._block is not None or self._peer_settings is None:
                self._check_order(kind, stream)
            if kind == DATA:
                self._data(flags, stream, payload, now)
            elif kind == HEADERS:
                self._headers(flags, stream, payload, now)
            else:
                self._other(kind, flags, stream, payload, now)
        except ConnectionFault as fault:
            self._break(fault)
        except Exception:
            log.exception("connection failed")
            self.abort()

    def _check_order(self, kind: int, stream: int) -> None:
        if self._peer_settings is None and kind != SETTINGS:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame holds no settings")
        if self._block is not None and (kind != CONTINUATION or stream != self._block.stream):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a header block is not finished")

    def _data(self, flags: int, stream: int, payload: bytes, now: float) -> None:
        if not stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a body of no stream")
        size = len(payload)
        self._unread -= size
        if self._unread < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more than the window of the connection")
        if self._unread < CONNECTION_WINDOW // 2:
            self._outbox.put(frame(WINDOW_UPDATE, 0, 0, number(CONNECTION_WINDOW - self._unread)))
            self._unread = CONNECTION_WINDOW
        if flags & PADDED:
            payload = unpadded(flags, payload)
        self._streams.data(stream, payload, size, now, ended=bool(flags & END_STREAM))

    def _headers(self, flags: int, stream: int, payload: bytes, now: float) -> None:
        if not stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a head of no stream")
        payload = unpadded(flags, payload)
        if flags & PRIORITISED:
            if len(payload) < SIZES[PRIORITY]:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a priority that is not whole")
            payload = payload[SIZES[PRIORITY] :]
        ended = bool(flags & END_STREAM)
        if flags & END_HEADERS and len(payload) <= self._streams.largest_block:
            self._streams.head(stream, payload, now, ended=ended)
            return
        self._block = Unfinished(stream=stream, ended=ended, since=now)
        self._continue(flags, payload, now)

    def _continue(self, flags: int, payload: bytes, now: float) -> None:
        block = self._block
        if block is None:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "nothing to be continued")
        block.frames += 1
        block.block += payload
        if len(block.block) > self._streams.largest_block or block.frames > MOST_CONTINUATIONS:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too large metadata")
        if flags & END_HEADERS:
            self._block = None
            self._streams.head(block.stream, bytes(block.block), now, ended=block.ended)

    def _other(self, kind: int, flags: int, stream: int, payload: bytes, now: float) -> None:
        """All that carries no call."""
        self._noise.add(OF_SETTINGS if kind == SETTINGS else 1.0, now)
        if kind == PRIORITY and len(payload) != SIZES[PRIORITY] and self._streams.spoil(stream, WRONG_SIZE):
            return
        check_place(kind, stream, len(payload))
        if kind == WINDOW_UPDATE:
            self._widen(stream, int.from_bytes(payload, "big") & LARGEST_NUMBER, now)
        elif kind == RST_STREAM:
            self._streams.reset(stream, now)
        elif kind == PING:
            self._ping(flags, payload, now)
        elif kind == SETTINGS:
            self._settings(flags, payload)
        elif kind == CONTINUATION:
            self._continue(flags, payload, now)
        elif kind == PUSH_PROMISE:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "clients promise nothing")

    def _widen(self, stream: int, increment: int, now: float) -> None:
        if stream:
            self._streams.widen(stream, increment, now)
        elif increment:
            self._outbox.widen(increment)
        else:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "room for no byte")

    def _ping(self, flags: int, payload: bytes, now: float) -> None:
        if flags & ACK:
            self._life.acknowledged(payload, now)
            return
        self._pings.came(now, spoken=self._outbox.spoke)
        self._outbox.spoke = False
        self._outbox.reply(frame(PING, ACK, 0, payload))

    def _settings(self, flags: int, payload: bytes) -> None:
        if flags & ACK:
            if payload:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement that holds something")
            return
        before = self._peer_settings or PeerSettings()
        now = self._peer_settings = before.changed(payload)
        self._outbox.initial_window, self._outbox.largest_frame = now.initial_window, now.largest_frame
        self._life.greeted = True
        self._outbox.reply(frame(SETTINGS, ACK, 0))
        if now.initial_window != before.initial_window:
            self._streams.change_windows(now.initial_window - before.initial_window)

    def _break(self, fault: ConnectionFault) -> None:
        """Says why, and ends everything."""
        if self._broken:
            return
        self._broken = True
        log.info("connection refused", code=fault.code.name, reason=fault.words)
        self._streams.close()
        self._life.hang_up(fault.code, fault.words)

    def leave(self, now: float) -> None:
        """No new calls; those that are under way end when they do."""
        self._life.leave(now, "the server is going away")

    def abort(self) -> None:
        """At once, whatever is under way."""
        self._broken = True
        self._transport.abort()
        self._outbox.close()
        self._streams.close()

    def tick(self, now: float) -> None:
        """What time brings; called a few times a second."""
        if self._broken or self._life.is_over:
            self._life.tick(now)
            return
        self._streams.sweep(now)
        if self._block is not None and now - self._block.since > self._site.limits.handshake_seconds:
            self._break(ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a header block that does not end"))
        elif not self._life.greeted and now - self._life.began_at > self._site.limits.handshake_seconds:
            self._break(ConnectionFault(ErrorCode.PROTOCOL_ERROR, "no settings in time"))
        else:
            self._life.tick(now)

    def pause_writing(self) -> None:
        """The client takes nothing: nothing is taken from it either, until it does."""
        self._outbox.paused = True
        self._turns.hold(held=True)

    def resume_writing(self) -> None:
        self._outbox.paused = False
        self._turns.hold(held=False)
        self._outbox.pump()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        self._broken = True
        self._site.connections.discard(self)
        self._outbox.close()
        self._streams.close()
