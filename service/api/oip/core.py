"""Everything behind the doors of the Open Inference Protocol, put together."""

from dataclasses import dataclass

from service.api.health import Health
from service.api.oip.control import Control
from service.api.oip.description import Description
from service.api.oip.images import CountedImages
from service.api.oip.inference import Inference
from service.api.oip.models import Models
from service.api.oip.statistics import Statistics
from service.metrics import Metrics
from service.models.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInference:
    """What both doors call."""

    inference: Inference
    description: Description
    control: Control


def build_open_inference(
    registry: Registry,
    statistics: Statistics,
    health: Health,
    metrics: Metrics,
    *,
    max_batch_size: int,
    max_images: int,
    default_deadline_seconds: float,
    explicit_control: bool,
) -> OpenInference:
    """`max_batch_size` is that of packages; `explicit_control` lets callers load and unload models."""
    models = Models(registry, max_batch_size=max_batch_size, max_images=max_images)
    return OpenInference(
        inference=Inference(
            models,
            statistics,
            default_deadline_seconds=default_deadline_seconds,
            images=CountedImages(metrics),
        ),
        description=Description(models, statistics, health),
        control=Control(registry, explicit=explicit_control),
    )
