"""Which model version a URL means: `/v2/models/{model}`, or `/v2/models/{model}/versions/{version}`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from pydantic import StringConstraints

MODEL = "/v2/models/{model}"
VERSION = "/v2/models/{model}/versions/{version}"

Text = Annotated[str, StringConstraints(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A model's name and, where one is given, a version number as text."""

    name: str
    version: str = ""


def selection(model: Text, version: Text | None = None) -> Selection:
    """`version` is in the path where the route has it, and else in the query."""
    return Selection(name=model, version=version or "")


Selected = Annotated[Selection, Depends(selection)]
