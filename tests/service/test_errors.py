"""The expected errors (service/errors.py): reasons for programs, sentences for people, facts beside them."""

import re
from pathlib import Path

import pytest

from service import errors

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.ServiceError) and kind is not errors.ServiceError
]
PROTO = Path(__file__).resolve().parents[2] / "proto" / "recognition" / "v1" / "recognition.proto"
NOT_OVER_GRPC = {"CALLER_GONE", "NOT_OFFERED", "ENCODING_UNSUPPORTED"}
"""Nobody hears the first; the second belongs to calls that a model does not support, the third to HTTP."""


@pytest.mark.parametrize("kind", KINDS)
def test_each_error_has_a_reason_for_programs(kind: type[errors.ServiceError]) -> None:
    """In capitals, spelled like its class, and explained."""
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", kind.reason)
    assert kind.reason == re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).upper()
    assert kind.__doc__


def test_no_reason_is_there_twice() -> None:
    """A program can tell them apart."""
    assert len({kind.reason for kind in KINDS}) == len(KINDS)


def test_an_error_says_its_sentence_and_keeps_its_facts() -> None:
    """What is logged is what the caller reads."""
    error = errors.ImageTooLarge("The image is too large.", limit_bytes="10")
    assert (str(error), error.sentence) == ("The image is too large.", "The image is too large.")
    assert error.metadata == {"limit_bytes": "10"}


def test_a_full_queue_knows_when_there_is_room() -> None:
    """Beside the facts that every error may have."""
    error = errors.QueueFull("Full.", retry_seconds=0.5, model="thirds")
    assert (error.retry_seconds, error.metadata) == (0.5, {"model": "thirds"})


@pytest.mark.parametrize("kind", KINDS)
def test_the_api_names_the_reasons(kind: type[errors.ServiceError]) -> None:
    """Authors of clients find them in the .proto file."""
    if kind.reason not in NOT_OVER_GRPC:
        assert kind.reason in PROTO.read_text(encoding="utf-8")
