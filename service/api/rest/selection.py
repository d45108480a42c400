"""Which model version a URL means: `/v1/models/{model}`, or `/v1/models/{model}/versions/{version}`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from pydantic import StringConstraints

MODEL = "/v1/models/{model}"
VERSION = "/v1/models/{model}/versions/{version}"

Text = Annotated[str, StringConstraints(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A model's name, with a version number or an alias where one is given."""

    name: str
    version: int | None = None
    alias: str | None = None


async def selection(model: Text, version: Text | None = None) -> Selection:
    """`version` is a number or an alias, in the path where the route has it and else in the query.

    Asynchronous only because FastAPI sends every other dependency through a thread.
    """
    if version is None:
        return Selection(name=model)
    if version.isascii() and version.isdecimal():
        return Selection(name=model, version=int(version))
    return Selection(name=model, alias=version)


Selected = Annotated[Selection, Depends(selection)]
