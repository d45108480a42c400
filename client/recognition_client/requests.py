"""What the client asks: keyword arguments in, messages of recognition.v1 out."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from grpc_health.v1 import health_pb2
from recognition.v1 import recognition_pb2 as pb

PAGE_SIZE = 100
MOST_LABELS = 2**31 - 1
MOST_VERSIONS = 2**63 - 1
HEALTH_CHECK = "/grpc.health.v1.Health/Check"


class Priority(StrEnum):
    """Who goes first where several wait for one model; within a priority, whose deadline is the earliest."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"
    """Waits for as long as others keep coming."""


_PRIORITIES = {
    Priority.HIGH: pb.PRIORITY_HIGH,
    Priority.NORMAL: pb.PRIORITY_UNSPECIFIED,
    Priority.LOW: pb.PRIORITY_LOW,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which model version shall answer, and how its answers are cut and marked: the same for each image of a call."""

    model: pb.ModelSelector
    options: pb.ClassifyOptions
    priority: "pb.Priority.ValueType" = pb.PRIORITY_UNSPECIFIED

    def of_image(self, image: bytes) -> pb.ClassifyRequest:
        return pb.ClassifyRequest(model=self.model, image=image, options=self.options, priority=self.priority)

    def of_images(self, images: Sequence[bytes], *, as_columns: bool = False) -> pb.BatchClassifyRequest:
        return pb.BatchClassifyRequest(
            model=self.model, images=images, options=self.options, priority=self.priority, as_columns=as_columns
        )

    def of_stream(self, name: str, image: bytes) -> pb.ClassifyStreamRequest:
        return pb.ClassifyStreamRequest(
            id=name, image=image, model=self.model, options=self.options, priority=self.priority
        )


def question(
    model: pb.ModelSelector, *, top_k: int, min_confidence: float | None, priority: Priority | str = Priority.NORMAL
) -> Question:
    """Raises ValueError for a number that no request can carry; what means nothing to a model the server says."""
    if not -MOST_LABELS <= top_k <= MOST_LABELS:
        raise ValueError(f"top_k must be at most {MOST_LABELS:,}, not {top_k:,}")
    options = pb.ClassifyOptions(top_k=top_k, min_confidence=min_confidence)
    return Question(model=model, options=options, priority=priority_message(priority))


def priority_message(priority: Priority | str) -> "pb.Priority.ValueType":
    """Raises ValueError for a text that names no priority."""
    return _PRIORITIES[Priority(priority)]


def selector(*, model: str, version: int | None, alias: str | None, precision: str | None = None) -> pb.ModelSelector:
    """Raises ValueError where both a version and an alias are named, since the API takes one of them, and for a number
    that is no version.
    """
    if version is not None and alias is not None:
        raise ValueError("name a version or an alias, not both")
    if version is not None and not -MOST_VERSIONS <= version <= MOST_VERSIONS:
        raise ValueError(f"version must be at most {MOST_VERSIONS:,}, not {version:,}")
    chosen = pb.ModelSelector(name=model, precision=precision or "")
    if version is not None:
        chosen.version = version
    elif alias is not None:
        chosen.alias = alias
    return chosen


def list_models_request(page_token: str) -> pb.ListModelsRequest:
    return pb.ListModelsRequest(page_size=PAGE_SIZE, page_token=page_token)


def health_request(service: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)
