"""Schedulers of images without pixels, by the costs of their batches."""

from collections.abc import Hashable
from dataclasses import dataclass

from service.engine.batch_costs import BatchCosts
from service.engine.batch_policy import BatchPolicy
from service.engine.cut import Cut, Pause
from service.engine.priority import Priority
from service.engine.scheduler import Scheduler

SLOW = {1: 0.010, 2: 0.020, 4: 0.040, 8: 0.080}
"""Company makes nothing cheaper."""
NEARLY_FLAT = {1: 0.0140, 2: 0.0276, 4: 0.0544, 8: 0.1056}
"""A large network on the CPU: company saves 6 %."""
STEEP = {1: 0.010, 2: 0.011, 4: 0.012, 8: 0.014, 16: 0.020}
"""Company is nearly free."""


@dataclass(slots=True, kw_only=True)
class Image:
    """An item of the queue."""

    name: int = 0
    arrival: float = 0.0
    deadline: float | None = None
    priority: Priority = Priority.NORMAL
    rows: int = 1
    size_bytes: int = 10
    kind: Hashable = ""
    gone: bool = False


def scheduler(*images: Image, costs: dict[int, float] | None = None, **policy: float) -> Scheduler[Image]:
    subject = Scheduler[Image](BatchPolicy(**policy), BatchCosts(costs))  # type: ignore[arg-type] # ints among floats
    for image in images:
        subject.push(image)
    return subject


def names(step: Cut[Image] | Pause) -> list[int]:
    assert isinstance(step, Cut)
    return [image.name for image in step.items]


def numbered(count: int, **fields: float) -> list[Image]:
    return [Image(name=name, **fields) for name in range(count)]  # type: ignore[arg-type]
