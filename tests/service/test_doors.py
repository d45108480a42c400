"""The doors (service/doors.py): what each port promises."""

import asyncio
import http.client
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2
from recognition.v1 import recognition_pb2 as pb

from service.doors import SERVICE_NAME
from tests.service.in_process import InProcess, serving
from tests.service.packages import encode, picture

IMAGE = encode(picture(0))


async def test_clients_can_ask_which_services_there_are(service: InProcess) -> None:
    """Reflection names the recognition API, health and itself."""
    ask: grpc.aio.StreamStreamMultiCallable[Any, Any] = service.channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    answers = [answer async for answer in ask(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))]
    names = {entry.name for entry in answers[0].list_services_response.service}
    assert names >= {SERVICE_NAME, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


async def test_a_message_may_be_as_large_as_the_settings_say(models: Path) -> None:
    """A larger one ends the call; the next is answered."""
    async with serving(models, max_message_bytes=2**16, max_image_bytes=2**20) as service:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await service.stub.Classify(pb.ClassifyRequest(image=bytes(2**16 + 1)))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await service.stub.Classify(pb.ClassifyRequest(image=IMAGE))


async def test_without_http_there_is_no_port(service: InProcess) -> None:
    """`--no-http` binds nothing."""
    assert service.http_port == 0
    assert service.events("ports bound")[0]["http_port"] is None


async def test_probes_follow_the_life_of_the_server(models: Path) -> None:
    """/livez while the process runs; /readyz from ready to the first signal."""
    probes = ("/livez", "/readyz")
    async with serving(models, http=True, drain_seconds=60.0) as service:
        assert [await asyncio.to_thread(status, service.http_port, path) for path in probes] == [200, 200]
        service.server.request_stop()
        shut_down = asyncio.create_task(service.server.shut_down())
        await service.until_health("NOT_SERVING")
        assert [await asyncio.to_thread(status, service.http_port, path) for path in probes] == [200, 503]
        service.server.request_stop()
        await shut_down


def status(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status
