"""The core of both doors: a request as values in, the model's tensors out. It knows neither gRPC nor HTTP."""

import time
from collections.abc import Collection, Mapping

from service.api.oip.classification import best_elements
from service.api.oip.images import ImageCounter, NoImages
from service.api.oip.models import Models
from service.api.oip.one_body import tensor_of_body
from service.api.oip.requests import InferAnswer, InferRequest, OutputTensor, WantedTensor
from service.api.oip.statistics import Statistics
from service.api.oip.validation import checked_inputs, checked_outputs
from service.engine.datatypes import AnyTensor, Datatype
from service.engine.priority import Priority
from service.engine.tensor_session import TensorSpec
from service.errors import DeadlineUnreachable, QueueFull, ServiceError
from service.models.tensor_model import Computed, TensorModel


class Inference:
    """Checks a request, has it computed, and cuts the answer as the request wants it."""

    def __init__(
        self,
        models: Models,
        statistics: Statistics,
        *,
        default_deadline_seconds: float,
        images: ImageCounter | None = None,
    ) -> None:
        self._models = models
        self._statistics = statistics
        self._default_deadline_seconds = default_deadline_seconds
        self._images = images or NoImages()

    async def infer(self, request: InferRequest, *, remaining_seconds: float | None = None) -> InferAnswer:
        """`remaining_seconds` is what is left of the call's own deadline. Raises a ServiceError."""
        began = time.monotonic()
        model = self._models.find(request.model, request.version, request.precision)
        limits = [seconds for seconds in (remaining_seconds, request.timeout_seconds) if seconds is not None]
        deadline = began + min(limits, default=self._default_deadline_seconds)
        try:
            outputs, computed = await self._compute(model, request, deadline)
        except BaseException:  # the caller's going away counts too
            self._statistics.observe_failure(model.name, model.version, time.monotonic() - began)
            raise
        self._images.answered(model, computed)
        self._statistics.observe_success(model.name, model.version, computed.work, time.monotonic() - began)
        return InferAnswer(model=model.name, version=model.version, id=request.id, outputs=outputs)

    async def _compute(
        self, model: TensorModel, request: InferRequest, deadline: float
    ) -> tuple[tuple[OutputTensor, ...], Computed]:
        tensors = checked_inputs(request, model)
        wanted = checked_outputs(request.outputs, model)
        try:
            computed = await _computed(model, tensors, {spec.name for _, spec in wanted}, deadline, request.priority)
        except ServiceError:
            self._images.failed(model, tensors)
            raise
        batched = model.max_batch_size > 0
        outputs = tuple(_output(output, spec, computed.outputs[spec.name], batched=batched) for output, spec in wanted)
        return outputs, computed

    def request_of_one_body(self, model: str, version: str, body: bytes) -> InferRequest:
        """A request whose one input is the body itself: an image file, a text, or the numbers of one tensor.

        Raises a ServiceError.
        """
        found = self._models.find(model, version)
        return InferRequest(model=model, version=version, inputs=(tensor_of_body(body, found),))


async def _computed(
    model: TensorModel,
    tensors: Mapping[str, AnyTensor],
    wanted: Collection[str],
    deadline: float,
    priority: Priority,
) -> Computed:
    """In the protocol's words where there is no room or no time."""
    try:
        return await model.compute(tensors, wanted, deadline=deadline, priority=priority)
    except QueueFull as error:
        raise QueueFull(
            f"Exceeds maximum queue size. {error.sentence}", retry_seconds=error.retry_seconds, **error.metadata
        ) from error
    except DeadlineUnreachable as error:
        raise DeadlineUnreachable(f"Request timeout expired. {error.sentence}", **error.metadata) from error


def _output(output: WantedTensor, spec: TensorSpec, tensor: AnyTensor, *, batched: bool) -> OutputTensor:
    if output.best is None:
        return OutputTensor(name=spec.name, datatype=spec.datatype, tensor=tensor)
    texts = best_elements(tensor, spec, best=output.best, batched=batched)
    return OutputTensor(name=spec.name, datatype=Datatype.BYTES, tensor=texts)
