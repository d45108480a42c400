"""Every method of every gRPC service and every route of every HTTP door, found by enumeration: none without a token."""

from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, _IncludedRouter
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from service.api.auth.http_gate import HttpGate
from tests.service.api.auth.keys import ALL, CANARY, UNKNOWN, bearer, header
from tests.service.api.refusals import refusal, refused
from tests.service.in_process import InProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIVENESS = "/grpc.health.v1.Health/Check"
OPEN_METHODS = {LIVENESS, "/inference.GRPCInferenceService/ServerLive"}
OPEN_PATHS = {"/livez", "/v2/health/live"}
OPEN_ON_THE_METRICS_PORT = {"/livez", "/readyz"}
CREDENTIALS: list[tuple[tuple[tuple[str, str], ...], str]] = [
    ((), "TOKEN_MISSING"),
    (bearer(UNKNOWN), "TOKEN_INVALID"),
    ((("authorization", "Bearer "),), "TOKEN_INVALID"),
    ((("authorization", "rec_whatever"),), "TOKEN_INVALID"),
    (bearer(ALL) + bearer(UNKNOWN), "TOKEN_INVALID"),
    ((("authorization", f"Bearer {'x' * 4000}"),), "TOKEN_INVALID"),
]


def methods(registered: set[str]) -> Iterator[MethodDescriptor]:
    for name in registered:
        yield from Default().FindServiceByName(name).methods


async def call(channel: grpc.aio.Channel, method: MethodDescriptor, metadata: tuple[tuple[str, str], ...]) -> None:
    """With an empty request, or none where there may be several: it is refused before that is sent."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    ask = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }[method.client_streaming, method.server_streaming](path)
    given = {"metadata": metadata, "timeout": 20}
    begun: Any = ask(**given) if method.client_streaming else ask(b"", **given)  # type: ignore[operator]
    await (begun.read() if method.server_streaming else begun)


async def test_every_method_is_found(locked: InProcess, registered: set[str]) -> None:
    """The negative control of the next test: all four services, streams among them."""
    found = list(methods(registered))
    assert {method.containing_service.full_name for method in found} == {
        "recognition.v1.RecognitionService",
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert len(found) >= 28
    assert any(method.client_streaming for method in found)


@pytest.mark.parametrize("door", ["grpc_port", "fast_grpc_port"])
@pytest.mark.parametrize(("metadata", "reason"), CREDENTIALS)
async def test_no_method_without_a_token(
    locked: InProcess, registered: set[str], metadata: tuple[tuple[str, str], ...], reason: str, door: str
) -> None:
    """Of none of the services, at neither gRPC port; the liveness is told to all, over each protocol that has it."""
    open_methods = set()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{getattr(locked, door)}") as channel:
        for method in methods(registered):
            try:
                await call(channel, method, metadata)
            except grpc.aio.AioRpcError as error:
                assert (refusal(error).code, refusal(error).reason) == ("UNAUTHENTICATED", reason), method.full_name  # noqa: PT017
            else:
                open_methods.add(f"/{method.containing_service.full_name}/{method.name}")
    assert open_methods == OPEN_METHODS


async def test_the_liveness_says_nothing_of_models(locked: InProcess) -> None:
    """Neither of one that there is, nor of one that there is not."""
    check: grpc.aio.UnaryUnaryMultiCallable[Any, Any] = locked.channel.unary_unary(
        LIVENESS, request_serializer=health_pb2.HealthCheckRequest.SerializeToString
    )
    for name in ("thirds", "nothing"):
        found = await refused(check(health_pb2.HealthCheckRequest(service=name)))
        assert (found.code, found.reason) == ("UNAUTHENTICATED", "TOKEN_MISSING")
    await check(health_pb2.HealthCheckRequest(service="thirds"), metadata=bearer(ALL))


async def test_with_a_token_the_services_are_listed(locked: InProcess) -> None:
    """Reflection answers whom the server knows."""
    ask: grpc.aio.StreamStreamMultiCallable[Any, Any] = locked.channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    answers = [answer async for answer in ask(requests, metadata=bearer(ALL))]
    assert len(answers[0].list_services_response.service) == 4


def routes(gate: object) -> Iterator[tuple[str, str]]:
    """(method, path) of every route of the application behind a gate; parameters are filled with a word."""
    assert isinstance(gate, HttpGate)
    app = gate._app
    assert isinstance(app, FastAPI | Starlette)
    yield from _below(app.routes)


def _below(found: Sequence[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in found:
        if isinstance(route, _IncludedRouter):
            yield from _below(route.original_router.routes)
        elif isinstance(route, Route | APIRoute):
            path = route.path.replace(":path}", "}")
            while "{" in path:
                begin, _, rest = path.partition("{")
                path = f"{begin}thirds{rest.partition('}')[2]}"
            yield from ((method, path) for method in sorted(route.methods or {"GET"}))
        else:
            pytest.fail(f"a kind of route that this test does not know: {route}")


async def test_no_path_without_a_token(locked: InProcess) -> None:
    """Of the REST API, of the Open Inference Protocol, of the playground; nor one that does not exist."""
    servers = locked.server._http.servers
    assert servers is not None
    assert servers.api is not None
    found = list(routes(servers.api._server.config.app))
    assert len(found) >= 40
    assert {"/", "/openapi.json", "/v1/models", "/v2", "/predictions/thirds", "/playground/thirds"} <= {
        path for _, path in found
    }
    found += [("GET", "/nothing"), ("OPTIONS", "/v1/models"), ("POST", "/livez/..")]
    base = f"http://127.0.0.1:{locked.http_port}"
    async with httpx.AsyncClient(base_url=base) as client:
        unknown = list(header(UNKNOWN).items())
        for given in ([], unknown, [*header(ALL).items(), *unknown]):
            for method, path in found:
                answer = await client.request(method, path, headers=given)
                if path in OPEN_PATHS:
                    assert answer.status_code == 200, path
                else:
                    assert answer.status_code == 401, (method, path)
                    assert answer.headers["WWW-Authenticate"].startswith("Bearer"), path
                    assert CANARY not in answer.text, path


async def test_no_metrics_without_a_token(locked: InProcess) -> None:
    """Only the probes are open on that port."""
    servers = locked.server._http.servers
    assert servers is not None
    found = list(routes(servers.metrics._server.config.app))
    assert "/metrics" in {path for _, path in found}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{locked.metrics_port}") as client:
        for method, path in [*found, ("GET", "/nothing"), ("GET", "/metrics/")]:
            expected = 200 if path in OPEN_ON_THE_METRICS_PORT else 401
            assert (await client.request(method, path)).status_code == expected, (method, path)
        assert "recognition_build_info" in (await client.get("/metrics", headers=header(ALL))).text
