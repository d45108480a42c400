"""Answers about images as values, and answers that break the API."""

import grpc
import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition_client.errors import ImageRejected, ResponseInvalid
from recognition_client.results import (
    Classification,
    ImageError,
    Prediction,
    ServedModel,
    StageTimes,
    classify_result,
    outcomes,
)

from tests.client.fake_service import MODEL, TIMES, classification, unreadable

ANSWER = classification(b"shoe", pb.ClassifyOptions(top_k=2))
SERVED = ServedModel(name="fashion_cnn", version=3, digest="d" * 64)
PREDICTIONS = (
    Prediction(index=0, label="shoe", probability=0.5),
    Prediction(index=1, label="second", probability=0.25),
)


def test_an_answer_becomes_a_value() -> None:
    """Predictions in order, who gave them, and where the time went."""
    result = classify_result(pb.ClassifyResponse(classification=ANSWER, model=MODEL, times=TIMES))
    assert (result.predictions, result.unknown, result.model) == (PREDICTIONS, False, SERVED)
    assert result.times == StageTimes(
        decode_seconds=0.25,
        preprocess_seconds=0.0,
        queue_seconds=0.5,
        inference_seconds=0.125,
        postprocess_seconds=0.0,
        batch_size=7,
    )


def test_answers_and_errors_keep_their_places() -> None:
    """Each outcome stands where its image stood."""
    results = [pb.ClassifyResult(classification=ANSWER), pb.ClassifyResult(error=unreadable())]
    good, bad = outcomes(pb.BatchClassifyResponse(results=results, model=MODEL), expected=2)
    assert good == Classification(predictions=PREDICTIONS, unknown=False, model=SERVED)
    assert isinstance(bad, ImageError)
    assert (bad.code, bad.reason, bad.message) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "IMAGE_UNREADABLE",
        "This is no image.",
    )


def test_an_image_error_can_be_raised() -> None:
    """As the exception that a call for this image alone would have raised."""
    results = [pb.ClassifyResult(error=unreadable())]
    (bad,) = outcomes(pb.BatchClassifyResponse(results=results), expected=1)
    assert isinstance(bad, ImageError)
    assert type(bad.exception()) is ImageRejected
    assert bad.exception().reason == "IMAGE_UNREADABLE"


@pytest.mark.parametrize("results", [[], [pb.ClassifyResult()], [pb.ClassifyResult(classification=ANSWER)] * 2])
def test_an_answer_that_does_not_fit_is_refused(results: list[pb.ClassifyResult]) -> None:
    """Too few, too many or empty results would be given to the wrong images."""
    with pytest.raises(ResponseInvalid):
        outcomes(pb.BatchClassifyResponse(results=results), expected=1)
