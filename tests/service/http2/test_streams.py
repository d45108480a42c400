"""The calls of a connection (service/http2/streams.py and what it is made of), over gRPC's own client where that can
say it, and by hand where it cannot.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from service.http2.frames import DATA, END_STREAM, frame
from tests.service.http2.conftest import Door, opened
from tests.service.http2.peer import message, peer

MANY = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@pytest.fixture
async def channel(door: Door) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{door.port}", options=MANY) as found:
        yield found


def unary(channel: grpc.aio.Channel, method: str) -> Any:
    return channel.unary_unary(f"/test.Echo/{method}")


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as found:
        await call
    return found.value


async def test_many_calls_at_once(door: Door, channel: grpc.aio.Channel) -> None:
    """Each has its own answer."""
    contents = [str(number).encode() * 100 for number in range(200)]
    assert await asyncio.gather(*(unary(channel, "Echo")(content, timeout=60) for content in contents)) == contents


@pytest.mark.parametrize("size", [0, 1, 2**16, 2**18, 2**20])
async def test_messages_of_every_size(channel: grpc.aio.Channel, size: int) -> None:
    """Up to the limit, both ways."""
    assert await unary(channel, "Echo")(bytes(size), timeout=60) == bytes(size)


async def test_a_message_that_is_too_large_is_refused_by_its_length(door: Door) -> None:
    """Before it is here; the connection goes on."""
    async with peer(door.port) as client:
        client.say(client.head(1), frame(DATA, 0, 1, b"\0" + struct.pack(">I", 2**32 - 1)))
        answer = await client.answer(1)
        assert (answer.status, answer.fields["content-type"]) == ("8", "application/grpc")
        client.say(frame(DATA, 0, 1, b"more that was on its way"), client.call(3))
        assert (await client.answer(3)).status == "0"
        assert door.handlers.seen == [b"hello"]


async def test_an_answer_that_is_too_large_is_an_error(channel: grpc.aio.Channel) -> None:
    error = await refused(unary(channel, "Large")(str(2**20 + 1).encode(), timeout=60))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_every_kind_of_method(channel: grpc.aio.Channel) -> None:
    """One or many messages, in and out."""

    async def several() -> AsyncIterator[bytes]:
        for number in range(3):
            yield str(number).encode() * 100_000

    count: Any = channel.unary_stream("/test.Echo/Count")
    assert [answer async for answer in count(b"5", timeout=60)] == [b"0", b"1", b"2", b"3", b"4"]
    write: Any = channel.unary_stream("/test.Echo/Write")
    assert [len(answer) async for answer in write(b"x" * 300_000, timeout=60)] == [300_000] * 2
    join: Any = channel.stream_unary("/test.Echo/Join")
    assert await join(several(), timeout=60) == b"0" * 100_000 + b"1" * 100_000 + b"2" * 100_000
    both: Any = channel.stream_stream("/test.Echo/Both")
    assert [answer[:1] async for answer in both(several(), timeout=60)] == [b"0", b"1", b"2"]


async def test_a_stream_goes_on_for_longer_than_its_window(channel: grpc.aio.Channel) -> None:
    """Room is given back as messages are taken."""
    both: Any = channel.stream_stream("/test.Echo/Both")(timeout=60)
    for number in range(30):
        await both.write(bytes([number]) * 70_000)
        assert await both.read() == bytes([number]) * 70_000
    await both.done_writing()
    assert await both.read() is grpc.aio.EOF


async def test_errors_carry_their_words_and_metadata(channel: grpc.aio.Channel) -> None:
    """Whatever letters they have."""
    error = await refused(unary(channel, "Abort")(b"", timeout=60))
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "nöthing 100 % here\n")
    assert dict(error.trailing_metadata()) == {"x-words": "plain", "x-bytes-bin": b"\x00\xff"}


async def test_what_a_handler_raises_is_not_told(channel: grpc.aio.Channel) -> None:
    """The log has it."""
    with capture_logs() as log:
        error = await refused(unary(channel, "Fail")(b"", timeout=60))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (error.details() or "")
    assert [(entry["event"], str(entry["exc_info"])) for entry in log] == [("call failed", "a secret")]


async def test_a_handler_that_is_cancelled_by_the_server_ends_its_call(channel: grpc.aio.Channel) -> None:
    """Clients would wait for ever else."""
    error = await refused(unary(channel, "Cancel")(b"", timeout=60))
    assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_what_a_handler_sees(channel: grpc.aio.Channel) -> None:
    """The time that is left, the metadata without the transport's own, and who calls."""
    metadata = (("x-text", "a"), ("x-text", "b"), ("x-bytes-bin", b"\x00\xff"))
    seen = (await unary(channel, "Context")(b"", metadata=metadata, timeout=60)).decode()
    assert "('x-text', 'a'), ('x-text', 'b')" in seen
    assert r"('x-bytes-bin', b'\x00\xff')" in seen
    assert "'ipv4:127.0.0.1:" in seen
    assert "content-type" not in seen
    assert 0 < float(seen[1 : seen.index(",")]) < 70  # the client rounds up
    assert (await unary(channel, "Context")(b"")).startswith(b"(None,")


async def test_an_unknown_method(channel: grpc.aio.Channel) -> None:
    assert (await refused(unary(channel, "Nothing")(b"x"))).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_compressed_messages_are_refused(channel: grpc.aio.Channel) -> None:
    """With the word for what would be read."""
    call = unary(channel, "Echo")(bytes(10_000), compression=grpc.Compression.Gzip, timeout=60)
    error = await refused(call)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert dict(await call.initial_metadata()).get("grpc-accept-encoding", "identity") == "identity"


async def test_metadata_have_a_size(channel: grpc.aio.Channel) -> None:
    """Beyond it the call is refused and the connection goes on."""
    error = await refused(unary(channel, "Echo")(b"", metadata=(("x", "y" * 9000),), timeout=60))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await unary(channel, "Echo")(b"", metadata=(("x", "y" * 4000),), timeout=60) == b""


async def test_who_does_not_listen_to_the_limit_hears_of_it(door: Door) -> None:
    """Gives an answer up to twice the size."""
    async with peer(door.port) as client:
        client.say(client.call(1, x="y" * 9000))
        assert (await client.answer(1)).status == "8"


async def test_a_call_that_is_cancelled_ends_its_handler(door: Door, channel: grpc.aio.Channel) -> None:
    calls = [unary(channel, "Wait")(b"") for _ in range(3)]
    stream: Any = channel.stream_stream("/test.Echo/Both")()
    await stream.write(b"x")
    await stream.read()
    while door.handlers.waiting < 3:  # noqa: ASYNC110 - the state of another part
        await asyncio.sleep(0.01)
    for call in [*calls[1:], stream]:
        call.cancel()
    while door.handlers.cancelled < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    door.handlers.go_on.set()
    assert await calls[0] == b""


async def test_a_deadline_ends_a_call_whose_client_does_not(door: Door) -> None:
    """Clients end it themselves; one that does not still holds nothing."""
    async with peer(door.port) as client:
        client.say(client.call(1, _path="/test.Echo/Wait", grpc_timeout="100m"))
        assert (await client.answer(1)).status == "4"
        await client.until_answered()
        assert (door.handlers.waiting, door.handlers.cancelled) == (0, 1)


@pytest.mark.parametrize("path", ["/test.Echo/Echo", "/test.Echo/Both"])
async def test_a_message_must_come_in_time(path: str) -> None:
    """Whatever the deadline of the call."""
    async with opened(body_seconds=0.2) as door, peer(door.port) as client:
        client.say(client.head(1, _path=path, grpc_timeout="1H"), frame(DATA, 0, 1, message(b"hello")[:7]))
        assert (await client.answer(1)).status == "4"


async def test_a_stream_may_wait_between_its_messages() -> None:
    async with opened(body_seconds=0.1) as door, peer(door.port) as client:
        client.say(client.head(1, _path="/test.Echo/Join"), frame(DATA, 0, 1, message(b"a")))
        await asyncio.sleep(0.6)
        client.say(frame(DATA, END_STREAM, 1, message(b"b")))
        assert (await client.answer(1)).body == message(b"ab")
