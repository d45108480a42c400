"""What the server and its models are, as the protocol's own messages; both doors answer with them."""

import importlib.metadata
from collections.abc import Sequence

from recognition.oip import open_inference_pb2 as pb
from recognition.oip.model_config_pb2 import ModelConfig

from service.api.health import Health
from service.api.oip.models import Models
from service.api.oip.statistics import Statistics
from service.engine.tensor_session import TensorSpec

SERVER_NAME = "recognition"
EXTENSIONS = (
    "classification",
    "model_repository",
    "model_repository(unload_dependents)",
    "schedule_policy",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
)


class Description:
    """Answers every question of the protocol but inference and the repository's."""

    def __init__(self, models: Models, statistics: Statistics, health: Health) -> None:
        self._models = models
        self._statistics = statistics
        self._health = health

    def ready(self) -> bool:
        """Whether every model was loaded and the server is not shutting down."""
        return self._health.ready

    def model_ready(self, name: str, version: str) -> bool:
        """False for what there is not. Raises ArgumentInvalid for a version that is no number."""
        return self._models.is_ready(name, version)

    def server(self) -> pb.ServerMetadataResponse:
        return pb.ServerMetadataResponse(
            name=SERVER_NAME, version=importlib.metadata.version("recognition"), extensions=EXTENSIONS
        )

    def model(self, name: str, version: str) -> pb.ModelMetadataResponse:
        """Raises a ServiceError, as the following do."""
        model = self._models.find(name, version)
        return pb.ModelMetadataResponse(
            name=model.name,
            versions=self._models.versions(model.name),
            platform=model.config.platform,
            inputs=_tensors(model.inputs),
            outputs=_tensors(model.outputs),
        )

    def config(self, name: str, version: str) -> ModelConfig:
        return self._models.find(name, version).config

    def statistics(self, name: str, version: str) -> pb.ModelStatisticsResponse:
        return pb.ModelStatisticsResponse(
            model_stats=[self._statistics.message(*live) for live in self._models.live(name, version)]
        )


def _tensors(specs: Sequence[TensorSpec]) -> list[pb.ModelMetadataResponse.TensorMetadata]:
    return [
        pb.ModelMetadataResponse.TensorMetadata(name=spec.name, datatype=spec.datatype, shape=spec.shape)
        for spec in specs
    ]
