"""What the doors of the service share, and the one of gRPC, built from the settings."""

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from recognition.oip import open_inference_pb2
from recognition.v1 import recognition_pb2, recognition_pb2_grpc

from service.api.auth.access import Access
from service.api.auth.grpc_gate import GrpcGate
from service.api.calls import Calls
from service.api.door import Door
from service.api.health import Health
from service.api.methods import Methods
from service.api.oip.core import OpenInference
from service.api.oip.errors import open_inference_status
from service.api.oip.servicer import OpenInferenceServicer, add_open_inference
from service.api.recogniser import Recogniser
from service.api.recognition import RecognitionServicer
from service.api.surround import Surround
from service.config import Settings
from service.metrics import Metrics
from service.models.registry import Registry
from service.tls import Certificates
from service.transport import fast_limits, transport_options
from service.upkeep import Upkeep

if TYPE_CHECKING:
    from service.http2.server import Http2Server

SERVICE_NAME = recognition_pb2.DESCRIPTOR.services_by_name["RecognitionService"].full_name
OPEN_INFERENCE_NAME = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
MOST_PENDING_CALLS = 100_000
LONGEST_PENDING_SECONDS = 3600
"""A call's own deadline ends it long before; gRPC's 30 s would end it as CANCELLED where the machine stands still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What all doors share."""

    metrics: Metrics
    status: Health
    door: Door
    calls: Calls
    access: Access
    registry: Registry
    recogniser: Recogniser
    open_inference: OpenInference
    upkeep: Upkeep


def build_grpc_server(settings: Settings, methods: Methods) -> grpc.aio.Server:
    server = grpc.aio.server(
        options=[
            *transport_options(settings),
            # Who waits and who is refused is decided by our own queue, which says QUEUE_FULL; gRPC only says CANCELLED.
            ("grpc.server.max_pending_requests", MOST_PENDING_CALLS),
            ("grpc.server.max_pending_requests_hard_limit", MOST_PENDING_CALLS),
            ("grpc.server_max_unrequested_time_in_server", LONGEST_PENDING_SECONDS),
        ],
    )
    server.add_generic_rpc_handlers((methods,))
    return server


def build_fast_grpc_server(
    settings: Settings, methods: Methods, listener: socket.socket | None, certificates: Certificates | None
) -> "Http2Server | None":
    """None where the second gRPC door is not wanted."""
    if listener is None:
        return None
    from service.http2.server import Http2Server

    tls = None if certificates is None else certificates.for_http2()
    return Http2Server(methods.service, listener, limits=fast_limits(settings), tls=tls)


def build_methods(core: Core, *, largest_answer: int) -> Methods:
    """Of all services, the same behind both gRPC ports."""
    methods = Methods(
        GrpcGate(core.access, core.calls, translations={OPEN_INFERENCE_NAME: open_inference_status}),
        surrounds={
            SERVICE_NAME: Surround(core.calls, largest_answer=largest_answer),
            OPEN_INFERENCE_NAME: Surround(core.calls, largest_answer=largest_answer, translate=open_inference_status),
        },
    )
    added_to = cast("grpc.aio.Server", methods)
    recognition_pb2_grpc.add_RecognitionServiceServicer_to_server(
        RecognitionServicer(core.recogniser, core.registry, closing=core.door.closing), added_to
    )
    add_open_inference(OpenInferenceServicer(core.open_inference, closing=core.door.closing), added_to)
    health_pb2_grpc.add_HealthServicer_to_server(core.status.servicer, added_to)
    names = (SERVICE_NAME, OPEN_INFERENCE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflecting = reflection.aio.ReflectionServicer(names)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflecting, added_to)  # type: ignore[no-untyped-call]
    return methods
