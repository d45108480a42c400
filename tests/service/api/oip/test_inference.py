"""The core: a request as values in, the model's tensors out."""

import time
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from service.api.oip.inference import Inference
from service.api.oip.requests import GivenTensor, InferRequest, WantedTensor
from service.api.oip.statistics import Statistics
from service.engine.datatypes import Datatype
from service.errors import ArgumentInvalid, DeadlineUnreachable, QueueFull
from service.models.manifest import Precision
from tests.service.api.oip.tensor_models import Doubling

if TYPE_CHECKING:
    from service.api.oip.models import Models


class OnlyModel:
    """Stands in for Models: whatever is asked for is this model."""

    def __init__(self, model: Doubling) -> None:
        self._model = model

    def find(self, name: str, version: str = "", precision: Precision | None = None) -> Doubling:
        return self._model


class Refusing(Doubling):
    """Has no room, or no time."""

    error: Exception = RuntimeError()

    async def compute(self, *arguments: object, **options: object) -> None:  # type: ignore[override] # it only raises
        raise self.error


def inference_of(model: Doubling) -> tuple[Inference, Statistics]:
    statistics = Statistics()
    models = cast("Models", OnlyModel(model))
    return Inference(models, statistics, default_deadline_seconds=10.0), statistics


def request(*outputs: WantedTensor, timeout_seconds: float | None = None) -> InferRequest:
    tensor = GivenTensor(name="x", datatype=Datatype.FP32, tensor=np.array([[1.0, 3.0, 2.0]], dtype=np.float32))
    return InferRequest(model="m", id="mine", inputs=(tensor,), outputs=outputs, timeout_seconds=timeout_seconds)


async def test_outputs_come_as_they_are_wanted() -> None:
    """As tensors, or their best elements as texts."""
    inference, statistics = inference_of(Doubling())
    answer = await inference.infer(request())
    assert (answer.model, answer.version, answer.id) == ("m", 1, "mine")
    assert answer.outputs[0].tensor.tolist() == [[2.0, 6.0, 4.0]]
    answer = await inference.infer(request(WantedTensor(name="y", best=1)))
    assert (answer.outputs[0].datatype, answer.outputs[0].tensor.tolist()) == (Datatype.BYTES, [[b"6.000000:1"]])
    assert statistics.message("m", 1).inference_stats.success.count == 2


@pytest.mark.parametrize(
    ("asked", "remaining", "seconds"), [(None, None, 10.0), (2.0, None, 2.0), (None, 3.0, 3.0), (5.0, 3.0, 3.0)]
)
async def test_the_nearest_deadline_counts(asked: float | None, remaining: float | None, seconds: float) -> None:
    """That of the call, that of the parameter, or the default."""
    model = Doubling()
    inference, _ = inference_of(model)
    await inference.infer(request(timeout_seconds=asked), remaining_seconds=remaining)
    assert model.deadlines[0] is not None
    assert model.deadlines[0] - time.monotonic() == pytest.approx(seconds, abs=0.5)


async def test_no_room_and_no_time_are_told_in_the_protocols_words() -> None:
    """And counted as failures, as wrong requests are."""
    model = Refusing()
    inference, statistics = inference_of(model)
    model.error = QueueFull("12 wait.", retry_seconds=0.5)
    with pytest.raises(QueueFull, match=r"Exceeds maximum queue size\. 12 wait\.") as full:
        await inference.infer(request())
    assert full.value.retry_seconds == 0.5
    model.error = DeadlineUnreachable("Too short.")
    with pytest.raises(DeadlineUnreachable, match=r"Request timeout expired\. Too short\."):
        await inference.infer(request())
    with pytest.raises(ArgumentInvalid):
        await inference.infer(request(WantedTensor(name="other")))
    assert statistics.message("m", 1).inference_stats.fail.count == 3


def test_a_body_may_be_the_input_itself() -> None:
    """Of the one item that it is."""
    inference, _ = inference_of(Doubling())
    asked = inference.request_of_one_body("m", "1", np.zeros(3, dtype=np.float32).tobytes())
    assert (asked.model, asked.version, asked.inputs[0].tensor.shape) == ("m", "1", (1, 3))
