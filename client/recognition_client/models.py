"""What the server says about its models and itself: messages in, frozen dataclasses and enums out."""

from dataclasses import dataclass
from enum import StrEnum

from grpc_health.v1 import health_pb2
from recognition.v1 import recognition_pb2 as pb


class ModelState(StrEnum):
    """What a model version is doing."""

    UNSPECIFIED = "UNSPECIFIED"
    LOADING = "LOADING"
    READY = "READY"
    FAILED = "FAILED"
    DRAINING = "DRAINING"
    UNLOADED = "UNLOADED"


class HealthStatus(StrEnum):
    """What the server says of itself or of one of its services."""

    UNKNOWN = "UNKNOWN"
    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"
    SERVICE_UNKNOWN = "SERVICE_UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One version of one model, ready or not; the fields are those of recognition.v1.Model."""

    name: str
    version: int
    aliases: tuple[str, ...]
    state: ModelState
    state_reason: str
    digest: str
    labels: tuple[str, ...]
    family: str
    precision: str
    provider: str
    input_height: int
    input_width: int
    input_channels: int
    embedding_size: int
    parameters: int
    accuracy: float
    macro_f1: float
    metrics_split: str
    golden_max_abs_difference: float
    precisions: tuple[str, ...] = ()
    """Every precision that a call may name, first the one that answers where it names none."""
    precision_reason: str = ""
    """Why that one answers where a call names none."""


_STATES = {
    pb.MODEL_STATE_LOADING: ModelState.LOADING,
    pb.MODEL_STATE_READY: ModelState.READY,
    pb.MODEL_STATE_FAILED: ModelState.FAILED,
    pb.MODEL_STATE_DRAINING: ModelState.DRAINING,
    pb.MODEL_STATE_UNLOADED: ModelState.UNLOADED,
}

_HEALTH = {
    health_pb2.HealthCheckResponse.SERVING: HealthStatus.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING: HealthStatus.NOT_SERVING,
    health_pb2.HealthCheckResponse.SERVICE_UNKNOWN: HealthStatus.SERVICE_UNKNOWN,
}


def model_info(model: pb.Model) -> ModelInfo:
    return ModelInfo(
        name=model.name,
        version=model.version,
        aliases=tuple(model.aliases),
        state=_STATES.get(model.state, ModelState.UNSPECIFIED),
        state_reason=model.state_reason,
        digest=model.digest,
        labels=tuple(model.labels),
        family=model.family,
        precision=model.precision,
        provider=model.provider,
        input_height=model.input_height,
        input_width=model.input_width,
        input_channels=model.input_channels,
        embedding_size=model.embedding_size,
        parameters=model.parameters,
        accuracy=model.accuracy,
        macro_f1=model.macro_f1,
        metrics_split=model.metrics_split,
        golden_max_abs_difference=model.golden_max_abs_difference,
        precisions=tuple(model.precisions),
        precision_reason=model.precision_reason,
    )


def health_status(response: health_pb2.HealthCheckResponse) -> HealthStatus:
    return _HEALTH.get(response.status, HealthStatus.UNKNOWN)
