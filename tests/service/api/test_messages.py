"""Messages from the engine's values, and back."""

from pathlib import Path

import pytest
from recognition.v1 import recognition_pb2 as pb

from service.api.messages import (
    DEFAULT_TOP_K,
    STATES,
    alias_of,
    classification_message,
    classify_result_message,
    model_message,
    options_of,
    priority_of,
    served_model_message,
    stage_times_message,
    version_of,
)
from service.engine.answers import Answer
from service.engine.postprocess import Classification, Prediction
from service.engine.priority import Priority
from service.engine.times import Times
from service.errors import ArgumentInvalid, ImageUnreadable
from service.models.registry import Entry, State
from tests.service.api.refusals import refusal_of
from tests.service.in_process import InProcess
from tests.service.packages import LABELS

BEST = Prediction(index=2, label="right", probability=0.75)
NEXT = Prediction(index=0, label="left", probability=0.25)
CLASSIFICATION = Classification(predictions=(BEST, NEXT), unknown=True)


def test_a_selector_names_a_version_or_an_alias_or_neither() -> None:
    """Version 0 is a version that was asked for, not none; so is an empty alias."""
    for selector, version, alias in (
        (pb.ModelSelector(name="a"), None, None),
        (pb.ModelSelector(name="a", version=3), 3, None),
        (pb.ModelSelector(name="a", version=0), 0, None),
        (pb.ModelSelector(name="a", alias="stable"), None, "stable"),
        (pb.ModelSelector(name="a", alias=""), None, ""),
    ):
        assert (version_of(selector), alias_of(selector)) == (version, alias)


def test_a_priority_that_is_left_out_is_normal() -> None:
    """And a number that stands for none is the caller's mistake."""
    given = [priority_of(priority) for priority in (pb.PRIORITY_HIGH, pb.PRIORITY_UNSPECIFIED, pb.PRIORITY_LOW)]
    assert given == [Priority.HIGH, Priority.NORMAL, Priority.LOW]
    with pytest.raises(ArgumentInvalid, match="PRIORITY_HIGH"):
        priority_of(pb.ClassifyRequest.FromString(b"\x20\x07").priority)


def test_options_have_defaults() -> None:
    """Five labels, and the model's own threshold."""
    assert options_of(pb.ClassifyOptions()) == (DEFAULT_TOP_K, None)
    assert DEFAULT_TOP_K == 5


def test_options_are_taken_as_they_are() -> None:
    """A threshold of 0 is one that was asked for: nothing is unknown."""
    assert options_of(pb.ClassifyOptions(top_k=7, min_confidence=0.5)) == (7, 0.5)
    assert options_of(pb.ClassifyOptions(top_k=2**31 - 1, min_confidence=0.0)) == (2**31 - 1, 0.0)
    assert options_of(pb.ClassifyOptions(min_confidence=1.0)) == (5, 1.0)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (pb.ClassifyOptions(top_k=-1), "options.top_k"),
        (pb.ClassifyOptions(min_confidence=-0.1), "options.min_confidence"),
        (pb.ClassifyOptions(min_confidence=1.1), "options.min_confidence"),
        (pb.ClassifyOptions(min_confidence=float("nan")), "options.min_confidence"),
        (pb.ClassifyOptions(min_confidence=float("inf")), "options.min_confidence"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: pb.ClassifyOptions, field: str) -> None:
    """By the name of their field."""
    with pytest.raises(ArgumentInvalid) as refused:
        options_of(options)
    assert refused.value.metadata == {"field": field}


def test_a_classification_keeps_its_order() -> None:
    """Index, label and probability of each, and whether it is unknown."""
    message = classification_message(CLASSIFICATION)
    assert [(item.index, item.label, item.probability) for item in message.predictions] == [
        (2, "right", 0.75),
        (0, "left", 0.25),
    ]
    assert message.unknown


def test_a_result_is_an_answer_or_an_error() -> None:
    """Exactly one of the two."""
    good = classify_result_message(Answer(classification=CLASSIFICATION, times=Times()))
    assert good.WhichOneof("outcome") == "classification"
    bad = classify_result_message(ImageUnreadable("Broken."))
    assert bad.WhichOneof("outcome") == "error"
    assert refusal_of(bad.error).reason == "IMAGE_UNREADABLE"


def test_times_of_many_images_add_up_where_work_adds_up() -> None:
    """Decoding and the like are sums; waiting and computing are those of the slowest."""
    one = Times(decode=1.0, preprocess=2.0, queue=3.0, inference=4.0, postprocess=5.0, batch_size=6)
    other = Times(decode=10.0, preprocess=20.0, queue=1.0, inference=9.0, postprocess=50.0, batch_size=2)
    assert stage_times_message([one, other]) == pb.StageTimes(
        decode_seconds=11.0,
        preprocess_seconds=22.0,
        queue_seconds=3.0,
        inference_seconds=9.0,
        postprocess_seconds=55.0,
        batch_size=6,
    )


def test_no_images_took_no_time() -> None:
    """Where every image was refused, there is nothing to add up."""
    assert stage_times_message([]) == pb.StageTimes()


def test_every_state_has_its_number() -> None:
    """None is told as unspecified, no two as the same."""
    assert set(STATES) == set(State)
    assert len(set(STATES.values())) == len(State)
    assert pb.MODEL_STATE_UNSPECIFIED not in STATES.values()


def test_a_version_that_does_not_answer_claims_nothing() -> None:
    """Neither labels nor accuracy; only what it is and why."""
    entry = Entry(name="a", version=3, state=State.FAILED, reason="its file was changed", aliases=("canary", "stable"))
    assert model_message(entry) == pb.Model(
        name="a",
        version=3,
        state=pb.MODEL_STATE_FAILED,
        state_reason="its file was changed",
        aliases=["canary", "stable"],
    )


async def test_a_live_version_says_what_it_is(service: InProcess, models: Path) -> None:
    """From its manifest, and from what was found when it was loaded."""
    live = service.live()
    entry = Entry(name="thirds", version=1, state=State.READY, digest=live.digest, live=live)
    message = model_message(entry)
    assert list(message.labels) == list(LABELS)
    assert (message.family, message.precision, message.provider) == ("thirds", "fp32", "CPUExecutionProvider")
    assert (message.input_height, message.input_width, message.input_channels) == (8, 12, 1)
    assert (message.embedding_size, message.parameters) == (3, 0)
    assert (message.accuracy, message.macro_f1, message.metrics_split) == (1.0, 1.0, "test")
    assert message.golden_max_abs_difference == live.golden_difference
    assert not message.state_reason
    assert served_model_message(live) == pb.ServedModel(name="thirds", version=1, digest=live.digest, precision="fp32")
    assert str(models) not in str(message)
