"""Stands in for a live model behind the core: takes what it is given and doubles it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from recognition.oip.model_config_pb2 import ModelConfig

from service.engine.datatypes import AnyTensor, Datatype
from service.engine.priority import Priority
from service.engine.tensor_session import TensorSpec
from service.engine.times import Work
from service.models.tensor_model import Computed, TensorModel


def spec(name: str, *shape: int, datatype: Datatype = Datatype.FP32, most_images: int = 0) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape, most_images=most_images)


@dataclass(slots=True, kw_only=True)
class Doubling:
    """A TensorModel of one's own measure."""

    inputs: tuple[TensorSpec, ...] = (spec("x", -1, 3),)
    outputs: tuple[TensorSpec, ...] = (spec("y", -1, 3),)
    outputs_on_request: tuple[TensorSpec, ...] = ()
    max_batch_size: int = 4
    name: str = "m"
    version: int = 1
    deadlines: list[float | None] = field(default_factory=list)
    priorities: list[Priority] = field(default_factory=list)

    @property
    def config(self) -> ModelConfig:
        return ModelConfig(name=self.name, max_batch_size=self.max_batch_size)

    async def compute(
        self,
        tensors: Mapping[str, AnyTensor],
        wanted: Collection[str],
        *,
        deadline: float | None,
        priority: Priority = Priority.NORMAL,
    ) -> Computed:
        self.priorities.append(priority)
        self.deadlines.append(deadline)
        given = next(iter(tensors.values()))
        return Computed(outputs=dict.fromkeys(wanted, given * 2), work=Work(items=len(given)))


def as_model(model: Doubling) -> TensorModel:
    """The type checker agrees that it is one."""
    return model
