"""The other end of a connection, written by hand: it says exactly the bytes that it is told to, right or wrong."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hpack import Decoder, Encoder

from service.http2.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    LARGEST_FRAME,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCode,
    Frame,
    FrameReader,
    frame,
)

SECONDS = 30.0
ECHO = "/test.Echo/Echo"
FIELDS = {
    ":method": "POST",
    ":scheme": "http",
    ":path": ECHO,
    ":authority": "localhost",
    "te": "trailers",
    "content-type": "application/grpc",
}


def message(content: bytes) -> bytes:
    """As gRPC frames it."""
    return b"\0" + struct.pack(">I", len(content)) + content


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All that came on one stream."""

    fields: Mapping[str, str]
    """Of the head and the trailers."""
    body: bytes
    reset: ErrorCode | None = None

    @property
    def status(self) -> str:
        return self.fields.get("grpc-status", "")


class Peer:
    """`say` bytes, `hear` frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = FrameReader(largest=LARGEST_FRAME)
        self._frames.greeted = True
        self._heard: list[Frame] = []
        self.encoder, self._decoder = Encoder(), Decoder()

    def say(self, *data: bytes) -> None:
        self._writer.write(b"".join(data))

    async def sent(self) -> None:
        """Returns when the system has taken what was said."""
        await asyncio.wait_for(self._writer.drain(), SECONDS)

    def head(self, stream: int, /, *, ended: bool = False, **fields: Any) -> bytes:
        """The frame that opens a call; fields by name, with _ for - and a leading _ for :, None to leave one out."""
        named = {name.replace("_", ":", 1) if name[0] == "_" else name: value for name, value in fields.items()}
        given = FIELDS | {name.replace("_", "-"): value for name, value in named.items()}
        block = self.encoder.encode([(name, value) for name, value in given.items() if value is not None])
        return frame(HEADERS, END_HEADERS | (END_STREAM if ended else 0), stream, block)

    def call(self, stream: int, content: bytes = b"hello", /, **fields: Any) -> bytes:
        """A whole call with one message."""
        return self.head(stream, **fields) + frame(DATA, END_STREAM, stream, message(content))

    async def hear(self, *kinds: int) -> Frame:
        """The next frame, or the next of one of these kinds."""
        while True:
            while not self._heard:
                data = await asyncio.wait_for(self._reader.read(2**16), SECONDS)
                if not data:
                    raise EOFError
                self._heard = self._frames.read(data)
            found = self._heard.pop(0)
            if not kinds or found[0] in kinds:
                return found

    async def answer(self, stream: int) -> Answer:
        """What comes on a stream until it ends; pings and windows besides are passed over."""
        fields: dict[str, str] = {}
        body = b""
        while True:
            kind, flags, at, payload = await self.hear(HEADERS, DATA, RST_STREAM, GOAWAY)
            if kind == GOAWAY and at != stream:
                code = ErrorCode(int.from_bytes(payload[4:8], "big"))
                assert code is ErrorCode.NO_ERROR, (code, payload[8:])
            if kind == HEADERS:
                found = {str(name): str(value) for name, value in self._decoder.decode(payload)}
                fields |= found if at == stream else {}
            if at != stream:
                continue
            if kind == DATA:
                body += payload
            if kind == RST_STREAM:
                return Answer(fields=fields, body=body, reset=ErrorCode(int.from_bytes(payload, "big")))
            if flags & END_STREAM:
                return Answer(fields=fields, body=body)

    async def goaway(self) -> tuple[ErrorCode, str]:
        """Why the server ends the connection, which it then does."""
        *_, payload = await self.hear(GOAWAY)
        return ErrorCode(int.from_bytes(payload[4:8], "big")), payload[8:].decode()

    async def until_closed(self) -> None:
        """Reads what there is to the end."""
        try:
            while True:
                await self.hear()
        except (EOFError, ConnectionResetError):
            pass

    async def until_answered(self) -> None:
        """Returns when the server has read all that was said."""
        self.say(frame(PING, 0, 0, b"finished"))
        while (await self.hear(PING))[3] != b"finished":
            pass

    def close(self) -> None:
        self._writer.close()


def window(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def settings(**values: int) -> bytes:
    """A frame of settings by their numbers, as s4=0."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", int(key[1:]), value) for key, value in values.items()))


GREETING = PREFACE + frame(SETTINGS, 0, 0)


@asynccontextmanager
async def peer(port: int, greeting: bytes = GREETING) -> AsyncIterator[Peer]:
    """Connected; has said `greeting`, and acknowledged what the server says if it said anything."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = Peer(reader, writer)
    found.say(greeting)
    if greeting.startswith(GREETING):
        found.say(frame(SETTINGS, ACK, 0))
    try:
        yield found
    finally:
        writer.close()
