"""What the Open Inference Protocol asks of a live model, whether it is a package or anybody's graph."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from recognition.oip.model_config_pb2 import ModelConfig

from service.engine.datatypes import AnyTensor
from service.engine.priority import Priority
from service.engine.tensor_session import TensorSpec
from service.engine.times import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """The outputs by name, and what they took."""

    outputs: Mapping[str, AnyTensor]
    work: Work


class TensorModel(Protocol):
    """One version of one model as a function from tensors to tensors."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def config(self) -> ModelConfig:
        """How it is served, as Triton writes it down."""
        ...

    @property
    def max_batch_size(self) -> int:
        """Above 0 it means that the first dimension of every tensor is the batch."""
        ...

    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Those that a request gets which names none."""
        ...

    @property
    def outputs_on_request(self) -> tuple[TensorSpec, ...]:
        """Those that must be named."""
        ...

    async def compute(
        self,
        tensors: Mapping[str, AnyTensor],
        wanted: Collection[str],
        *,
        deadline: float | None,
        priority: Priority = Priority.NORMAL,
    ) -> Computed:
        """The wanted outputs for one value of every input, its shape and type checked. Raises a ServiceError."""
        ...
