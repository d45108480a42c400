"""Streams of the asyncio client end with the server's status (client/recognition_client/ending.py)."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition_client import AsyncRecognitionClient, RecognitionError
from recognition_client.ending import GRPCS_OWN, Call, Ended, Ending

METHOD = "/recognition.v1.RecognitionService/ClassifyStream"
MINE = Ended(grpc.StatusCode.UNAVAILABLE, "I stop.", (("a", "b"),))
OWN = Ended(grpc.StatusCode.INTERNAL, GRPCS_OWN, ())


class EndsEarly(grpc.GenericRpcHandler):
    """Answers the first message of a stream and aborts it, while others are on the way."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        assert handler_call_details.method == METHOD
        return grpc.stream_stream_rpc_method_handler(self._handle)

    async def _handle(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for _ in requests:
            break
        result = pb.ClassifyResult(classification=pb.Classification())
        yield pb.ClassifyStreamResponse(id="0", result=result).SerializeToString()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "I stop.")


class Scripted:
    """Stands in for a call: what its status is each time that it is asked."""

    def __init__(self, *statuses: Ended | None) -> None:
        self._statuses = list(statuses)
        self._now: Ended | None = None
        self.done: list[Any] = []

    def add_done_callback(self, callback: Any) -> None:
        self.done.append(callback)

    async def code(self) -> grpc.StatusCode:
        self._now = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if self._now is None:
            await _for_ever()
        assert self._now is not None
        return self._now.code()

    async def details(self) -> str:
        return "" if self._now is None else self._now.details()

    async def trailing_metadata(self) -> Any:
        return () if self._now is None else self._now.trailing_metadata()


class _for_ever:  # noqa: N801 - reads as what it does
    def __await__(self) -> Any:
        yield


async def test_the_servers_status_arrives_whatever_was_being_written() -> None:
    """A hundred times; without the watch about one in ten ends as INTERNAL."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((EndsEarly(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ends: Counter[tuple[grpc.StatusCode, str]] = Counter()
    async with AsyncRecognitionClient(f"127.0.0.1:{port}") as client:
        for _ in range(100):
            images = ((str(number), bytes(65_536)) for number in range(64))
            with pytest.raises(RecognitionError) as error:
                _ = [answer async for answer in client.classify_stream(images)]
            ends[error.value.code, error.value.message.rpartition(": ")[2]] += 1
    await server.stop(None)
    assert ends == {(grpc.StatusCode.UNAVAILABLE, "I stop."): 100}


@pytest.mark.parametrize(
    ("script", "raised", "meant"),
    [
        ([MINE, OWN], OWN, MINE),  # it was there before gRPC replaced it
        ([OWN, OWN, None, MINE], OWN, MINE),  # it comes a moment later
        ([MINE], MINE, MINE),
        ([OWN], OWN, OWN),  # the server said nothing else
    ],
)
async def test_what_the_server_meant(script: list[Ended | None], raised: Ended, meant: Ended) -> None:
    """In whatever order gRPC learns of the status and of the failed write."""
    call = Scripted(*script)
    ending = Ending(cast("Call", call))
    for callback in call.done:
        callback(call)
    found = await ending.of(raised)
    assert isinstance(found, Ended)
    assert (found.code(), found.details(), found.trailing_metadata()) == (
        meant.code(),
        meant.details(),
        meant.trailing_metadata(),
    )
