"""A load generator like load.py that writes gRPC's frames by hand, for a fraction of what gRPC's own client costs.

Reads a Job as JSON from its standard input and prints a Load as JSON: `in_flight` calls at a time over one connection,
each answered by the next. All that can be sent in one moment goes with one write.
"""

import asyncio
import sys
import time
from typing import cast

import uvloop
from hpack import Encoder

from benchmarks.load import WARM_SECONDS, Job, Load, cpu_seconds, tell
from benchmarks.readers import READERS
from service.http2.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    FrameReader,
    frame,
    number,
)

PREFIX = 5
INITIAL_WINDOW = 4


class Caller(asyncio.Protocol):
    """Keeps its calls in flight until the time is up."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._bodies = [b"\0" + len(request).to_bytes(4, "big") + request for request in job.requests]
        self._read = READERS[job.method]
        self._frames = FrameReader(largest=LARGEST_FRAME)
        self._frames.greeted = True
        self._begun: dict[int, tuple[float, int]] = {}
        self._answers: dict[int, bytes] = {}
        self._next = 1
        self._pieces: list[bytes] = []
        self.load = Load()
        self.measuring = False
        self.stopping = False
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        encoder, host = Encoder(), self._job.target
        fields = {":method": "POST", ":scheme": "http", ":path": self._job.method, ":authority": host}
        fields |= {"te": "trailers", "content-type": "application/grpc"}
        self._first, self._head = (encoder.encode(fields.items()) for _ in range(2))
        room = INITIAL_WINDOW.to_bytes(2, "big") + number(LARGEST_WINDOW)
        opening = PREFACE + frame(SETTINGS, 0, 0, room) + frame(WINDOW_UPDATE, 0, 0, number(2**30))
        self._pieces.append(opening)
        for _ in range(self._job.in_flight):
            self._call()
        self._send()

    def data_received(self, data: bytes) -> None:
        for kind, flags, stream, payload in self._frames.read(data):
            if kind == DATA:
                self._answers[stream] = self._answers.get(stream, b"") + payload
            elif kind == SETTINGS and not flags & ACK:
                self._pieces.append(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self._pieces.append(frame(PING, ACK, 0, payload))
            if (kind == HEADERS and flags & END_STREAM) or kind == RST_STREAM:
                self._ended(stream)
        self._send()

    def _call(self) -> None:
        at, self._next = self._next, self._next + 2
        place = at // 2 % len(self._bodies)
        self._begun[at] = time.perf_counter(), place
        head = self._first if at == 1 else self._head
        self._pieces += (frame(HEADERS, END_HEADERS, at, head), frame(DATA, END_STREAM, at, self._bodies[place]))

    def _ended(self, stream: int) -> None:
        began, place = self._begun.pop(stream)
        answer = self._answers.pop(stream, None)
        if self.measuring:
            self._count(answer, place, time.perf_counter() - began)
        if not self.stopping:
            self._call()
        elif not self._begun and not self.done.done():
            self.done.set_result(None)

    def _count(self, answer: bytes | None, place: int, seconds: float) -> None:
        if answer is None:
            self.load.failed += 1
            return
        right = self._job.best[place]
        found = self._read(answer[PREFIX:])
        self.load.calls += 1
        self.load.images += len(right)
        self.load.latencies.append(seconds)
        if len(found) != len(right) or any(index not in best for index, best in zip(found, right, strict=False)):
            self.load.wrong += len(right)

    def _send(self) -> None:
        if self._pieces:
            self._transport.write(b"".join(self._pieces))
            self._pieces.clear()


async def generate(job: Job) -> Load:
    host, _, port = job.target.rpartition(":")
    transport, caller = await asyncio.get_running_loop().create_connection(lambda: Caller(job), host, int(port))
    await asyncio.sleep(WARM_SECONDS)
    caller.measuring = True
    used, began = cpu_seconds(), time.perf_counter()
    await asyncio.sleep(job.seconds)
    caller.measuring = False
    caller.load.seconds = time.perf_counter() - began
    caller.load.client_cpu_seconds = cpu_seconds() - used
    caller.stopping = True
    await caller.done
    transport.close()
    return caller.load


if __name__ == "__main__":
    tell(uvloop.run(generate(Job.from_json(sys.stdin.read()))))
