"""Parameters, types and shapes of requests."""

import pytest

from service.api.oip.encoding import EncodingInvalid
from service.api.oip.requests import (
    Parameters,
    best_of,
    datatype_of,
    refuse_shared_memory,
    shape_of,
    size_mismatch,
    timeout_of,
)
from service.engine.datatypes import Datatype
from service.errors import ArgumentInvalid, NotOffered


def test_a_timeout_is_in_microseconds() -> None:
    """None or 0 sets no limit; priority and free parameters are taken."""
    assert timeout_of({"timeout": 1_500_000, "priority": 2, "mine": "x"}) == 1.5
    assert timeout_of({"timeout": 0}) is None
    assert timeout_of({"triton_enable_empty_final_response": True}) is None


@pytest.mark.parametrize(
    "parameters", [{"timeout": -1}, {"timeout": "1"}, {"timeout": True}, {"priority": 0.5}, {"triton_x": 1}]
)
def test_senseless_parameters_are_named(parameters: Parameters) -> None:
    """And so are reserved ones."""
    with pytest.raises(ArgumentInvalid, match=next(iter(parameters)).removesuffix("x")):
        timeout_of(parameters)


def test_classification_must_be_a_number_above_zero() -> None:
    """In the protocol's words."""
    assert best_of({"classification": 3}) == 3
    assert best_of({}) is None
    with pytest.raises(ArgumentInvalid, match="invalid value for 'classification' parameter, expected >= 0"):
        best_of({"classification": 0})
    for value in ("3", 3.0, True):
        with pytest.raises(ArgumentInvalid, match="expected int64_param"):
            best_of({"classification": value})


def test_shared_memory_is_not_offered() -> None:
    """The tensor is named."""
    refuse_shared_memory({"other": 1}, "x")
    with pytest.raises(NotOffered, match="'x'"):
        refuse_shared_memory({"shared_memory_region": "r"}, "x")


def test_types_and_shapes() -> None:
    """Unknown types, missing and enormous sizes are refused."""
    assert datatype_of("BF16", tensor="x", model="m") is Datatype.BF16
    with pytest.raises(ArgumentInvalid, match="'FP8'"):
        datatype_of("FP8", tensor="x", model="m")
    assert shape_of((2, 0), tensor="x", model="m") == (2, 0)
    for sizes in ((-1, 3), (2**62, 4), (1,) * 33):
        with pytest.raises(ArgumentInvalid, match="unexpected shape for input 'x'"):
            shape_of(sizes, tensor="x", model="m")


def test_a_wrong_size_is_told_in_the_protocols_words() -> None:
    error = size_mismatch(EncodingInvalid("Expected 4, got 2"), tensor="x", model="m")
    assert error.sentence == "input byte size mismatch for input 'x' for model 'm'. Expected 4, got 2"
