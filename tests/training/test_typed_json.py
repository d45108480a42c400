"""What is written is what is read, and anything else is refused by its path."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import pytest

from training.typed_json import FieldInvalid, decode, encode


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Part:
    weight: float
    colour: Colour


@dataclass(frozen=True)
class Whole:
    kind: Literal["a", "b"]
    parts: tuple[Part, ...]
    counts: dict[str, int]
    note: str | None


WHOLE = Whole(kind="a", parts=(Part(1.5, Colour.RED),), counts={"x": 1}, note=None)


def plain(**changes: Any) -> dict[str, Any]:
    """The example as JSON values, changed."""
    value: dict[str, Any] = json.loads(json.dumps(encode(WHOLE)))
    return {**value, **changes}


def test_a_value_survives_the_way_to_json_and_back() -> None:
    """Nested, with an enum, a tuple, a dict and a missing note."""
    assert decode(Whole, plain()) == WHOLE


def test_a_whole_number_is_taken_for_a_float() -> None:
    """JSON writers may drop the point."""
    assert decode(Part, {"weight": 2, "colour": "red"}) == Part(2.0, Colour.RED)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (plain(kind="c"), r"^kind: expected 'a' or 'b', found 'c'"),
        (plain(parts=[{"weight": "heavy", "colour": "red"}]), r"^parts\[0\].weight: expected float, found 'heavy'"),
        (plain(parts=[{"weight": True, "colour": "red"}]), r"^parts\[0\].weight: expected float, found True"),
        (plain(parts=[{"weight": 1, "colour": "blue"}]), r"^parts\[0\].colour: expected one of red, found 'blue'"),
        (plain(counts={"x": 1.5}), r"^counts.x: expected int, found 1.5"),
        (plain(note=3), r"^note: expected str, found 3"),
        (plain(extra=1), r"^extra: unknown field"),
        ({"kind": "a"}, r"^counts: missing"),
        ([], r"^record: expected Whole, found \[\]"),
    ],
)
def test_a_misfit_is_refused_with_its_path(value: object, words: str) -> None:
    """So that a damaged record can be mended, or understood."""
    with pytest.raises(FieldInvalid, match=words):
        decode(Whole, value)


@dataclass(frozen=True)
class Grown:
    old: int
    new: int = 5


def test_a_field_with_a_default_may_be_missing() -> None:
    """So that records of earlier versions are read."""
    assert decode(Grown, {"old": 1}) == Grown(1, 5)
    assert decode(Grown, {"old": 1, "new": 2}) == Grown(1, 2)
