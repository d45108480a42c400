"""Which model version a URL means: `/v1/models/{model}`, or `/v1/models/{model}/versions/{version}`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Query
from pydantic import StringConstraints

from service.api.recogniser import Recogniser
from service.engine.priority import Priority
from service.models.live_model import LiveModel
from service.models.manifest import Precision

MODEL = "/v1/models/{model}"
VERSION = "/v1/models/{model}/versions/{version}"

Text = Annotated[str, StringConstraints(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A model's name, with a version number or an alias where one is given."""

    name: str
    version: int | None = None
    alias: str | None = None
    precision: Precision | None = None

    def live(self, recogniser: Recogniser) -> LiveModel:
        """The model that answers. Raises what `Recogniser.live_model` raises."""
        return recogniser.live_model(self.name, version=self.version, alias=self.alias, precision=self.precision)


PrecisionQuery = Annotated[
    Precision | None, Query(description="Which variant answers, one of the model's `precisions`; else the chosen one.")
]


async def selection(model: Text, version: Text | None = None, precision: PrecisionQuery = None) -> Selection:
    """`version` is a number or an alias, in the path where the route has it and else in the query.

    Asynchronous only because FastAPI sends every other dependency through a thread.
    """
    if version is None:
        return Selection(name=model, precision=precision)
    if version.isascii() and version.isdecimal():
        return Selection(name=model, version=int(version), precision=precision)
    return Selection(name=model, alias=version, precision=precision)


Selected = Annotated[Selection, Depends(selection)]


class PriorityName(StrEnum):
    """A priority as a URL names it."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


async def priority_named(
    priority: Annotated[PriorityName, Query(description="Who goes first where several wait.")] = PriorityName.NORMAL,
) -> Priority:
    """The engine's own. Asynchronous for the same reason."""
    return Priority[priority.name]


Prioritised = Annotated[Priority, Depends(priority_named)]
