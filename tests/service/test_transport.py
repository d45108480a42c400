"""The limits of connections: each as a client sees it that goes beyond it."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from recognition.v1 import recognition_pb2 as pb

from service.api.rest import server as rest_server
from tests.reliability.raw_client import OPENING, frame
from tests.service.api.house import classify
from tests.service.in_process import InProcess, serving, until
from tests.service.packages import encode, picture

IMAGE = encode(picture(2))
PING = 6
"""The type of the frame."""


async def code_of(call: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code().name, refused.value.details() or ""


async def test_a_connection_has_so_many_calls_at_a_time(models: Path) -> None:
    """The next waits at the client until one has ended."""
    async with serving(models, max_connection_streams=2) as service:
        streams: list[Any] = [service.stub.ClassifyStream() for _ in range(2)]
        for stream in streams:
            await stream.write(pb.ClassifyStreamRequest(id="a", image=IMAGE))
            await stream.read()
        assert (await code_of(service.stub.Classify(classify(IMAGE), timeout=0.5)))[0] == "DEADLINE_EXCEEDED"
        await streams[0].done_writing()
        await streams[0].read()
        await service.stub.Classify(classify(IMAGE), timeout=20)
        streams[1].cancel()


async def test_metadata_have_a_size(service: InProcess) -> None:
    """Ours is enough for a token and a trace; 20 KB are refused, and the next call is answered."""
    metadata = (("x-filler", "y" * 20_000),)
    assert (await code_of(service.stub.Classify(classify(IMAGE), metadata=metadata)))[0] == "RESOURCE_EXHAUSTED"
    await service.stub.Classify(classify(IMAGE), metadata=(("x-filler", "y" * 4000),))


async def test_compressed_requests_are_refused(service: InProcess) -> None:
    """What they inflate to is bounded by nothing."""
    call = service.stub.Classify(classify(IMAGE + bytes(10_000)), compression=grpc.Compression.Gzip)
    assert (await code_of(call))[0] == "UNIMPLEMENTED"


async def test_an_old_connection_is_left_without_losing_a_call(models: Path) -> None:
    """A stream goes on over it, new calls open a new one."""
    async with serving(models, connection_age_seconds=0.3) as service:
        stream: Any = service.stub.ClassifyStream()
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            await service.stub.Classify(classify(IMAGE))
            await stream.write(pb.ClassifyStreamRequest(id="a", image=IMAGE))
            assert (await stream.read()).id == "a"
        await stream.done_writing()
        await until(lambda: service.channel.get_state() is grpc.ChannelConnectivity.IDLE)


async def test_who_pings_too_often_is_sent_away(service: InProcess) -> None:
    """With words that say so. Written by hand: a client of gRPC's own takes seconds for so many."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.grpc_port)
    writer.write(OPENING + frame(PING, 0, 0, bytes(8)) * 5)
    answer = await asyncio.wait_for(reader.read(), 20)  # until the connection is closed
    assert b"too_many_pings" in answer
    writer.close()
    await service.stub.Classify(classify(IMAGE))


@pytest.mark.parametrize("sent", [b"", b"POST /v1/models/thirds:classify HTTP/1.1\r\nHost: x\r\n"])
async def test_headers_must_come_in_time(models: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """A connection that says nothing, or never finishes, is closed."""
    monkeypatch.setattr(rest_server, "HEADER_SECONDS", 0.3)
    async with serving(models, http=True) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.http_port)
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()


async def test_a_connection_that_is_kept_waits_for_each_request(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its second request must come to the point as the first did; one that does is answered."""
    monkeypatch.setattr(rest_server, "HEADER_SECONDS", 1.2)
    async with serving(models, http=True) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.http_port)
        for _ in range(3):
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.5)
        writer.write(b"GET /li")
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()


async def test_headers_have_a_size(models: Path) -> None:
    """What has not ended by then is not read on; one read brings 256 KiB at most."""
    async with (
        serving(models, http=True) as service,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client,
    ):
        assert (await client.get("/livez", headers={"X-Filler": "y" * 10_000})).status_code == 200
        with contextlib.suppress(httpx.TransportError):  # it may hang up before everything is sent
            assert (await client.get("/livez", headers={"X-Filler": "y" * 2**20})).status_code in {400, 431}
            return
        assert (await client.get("/livez")).status_code == 200


async def test_no_other_server_shares_the_port(service: InProcess) -> None:
    """Not even one that asks for it: two servers on one port would take each other's calls."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", service.grpc_port))
