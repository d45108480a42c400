"""Keyword arguments as messages."""

import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition_client.requests import Priority, question, selector


def test_what_is_not_named_is_left_out() -> None:
    """The server then takes its own default."""
    asked = question(selector(model="", version=None, alias=None), top_k=5, min_confidence=None)
    assert asked.model.WhichOneof("choice") is None
    assert not asked.options.HasField("min_confidence")


def test_a_threshold_of_zero_is_a_threshold() -> None:
    """It overrides that of the model's package."""
    asked = question(selector(model="m", version=None, alias=None), top_k=1, min_confidence=0.0)
    assert asked.options.HasField("min_confidence")


def test_each_message_carries_the_question() -> None:
    """For one image and for many."""
    asked = question(selector(model="m", version=2, alias=None), top_k=3, min_confidence=0.5)
    one, many = asked.of_image(b"a"), asked.of_images([b"a", b"b"])
    assert (one.image, list(many.images)) == (b"a", [b"a", b"b"])
    assert one.model == many.model == asked.model
    assert one.options == many.options == asked.options


def test_a_precision_goes_with_the_model() -> None:
    """Left out, the server chooses."""
    assert selector(model="m", version=2, alias=None, precision="int8").precision == "int8"
    assert selector(model="m", version=2, alias=None).precision == ""


@pytest.mark.parametrize("name", ["top_k", "version"])
def test_numbers_that_no_message_can_carry_are_refused_by_name(name: str) -> None:
    """In the client's own words, before anything is sent."""
    given = {"top_k": 5, "version": 1} | {name: 2**63}
    with pytest.raises(ValueError, match=rf"{name} must be at most [0-9,]+, not 9,223,372,036,854,775,808"):
        question(selector(model="m", version=given["version"], alias=None), top_k=given["top_k"], min_confidence=None)


def test_a_version_and_an_alias_are_alternatives() -> None:
    """The message could carry only the one that was set last."""
    assert selector(model="m", version=2, alias=None).version == 2
    assert selector(model="m", version=None, alias="canary").alias == "canary"
    with pytest.raises(ValueError, match="not both"):
        selector(model="m", version=2, alias="canary")


def test_a_priority_may_be_named_by_its_text() -> None:
    """The message says it, for one image, for many and in a stream; nothing said is normal."""
    for priority in (Priority.LOW, "low"):
        asked = question(selector(model="m", version=None, alias=None), top_k=1, min_confidence=None, priority=priority)
        messages = (asked.of_image(b"a"), asked.of_images([b"a"]), asked.of_stream("1", b"a"))
        assert [message.priority for message in messages] == [pb.PRIORITY_LOW] * 3
    asked = question(selector(model="m", version=None, alias=None), top_k=1, min_confidence=None)
    assert asked.of_image(b"a").priority == pb.PRIORITY_UNSPECIFIED
    with pytest.raises(ValueError, match="urgent"):
        question(selector(model="m", version=None, alias=None), top_k=1, min_confidence=None, priority="urgent")
