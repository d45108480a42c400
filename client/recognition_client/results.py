"""What the server says about images: messages of recognition.v1 in, frozen dataclasses out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import grpc
from google.rpc.status_pb2 import Status
from recognition.v1 import recognition_pb2 as pb

from recognition_client.errors import RecognitionError, ResponseInvalid, error_of
from recognition_client.status import ErrorDetails, details_of_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One label with its calibrated probability in [0, 1]; `index` is its position in the model's labels."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """The model version that answered; equal digests mean that the same bytes did."""

    name: str
    version: int
    digest: str
    precision: str = ""
    """fp32, fp16 or int8; empty where the server is older than this field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTimes:
    """Seconds that a request spent in each stage of the server, and the images in the batch that it travelled in."""

    decode_seconds: float
    preprocess_seconds: float
    queue_seconds: float
    inference_seconds: float
    postprocess_seconds: float
    batch_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The answer for one image: ranked labels, best first, and the model version that gave them."""

    predictions: tuple[Prediction, ...]
    unknown: bool
    """True where the best probability is below the threshold in force: the image probably shows none of the labels."""
    model: ServedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyResult(Classification):
    """The answer of `classify`: a classification, and where the time went."""

    times: StageTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageError(ErrorDetails):
    """Why one image of many has no answer. A value and not an exception: its neighbours have theirs."""

    @classmethod
    def from_details(cls, details: ErrorDetails) -> Self:
        return cls(
            code=details.code,
            reason=details.reason,
            message=details.message,
            metadata=details.metadata,
            retry_after_seconds=details.retry_after_seconds,
        )

    def exception(self) -> RecognitionError:
        """The same as an exception, for callers who would rather raise it."""
        return error_of(self)


def classify_result(response: pb.ClassifyResponse) -> ClassifyResult:
    answer = response.classification
    return ClassifyResult(
        predictions=predictions(answer.predictions),
        unknown=answer.unknown,
        model=served_model(response.model),
        times=stage_times(response.times),
    )


def outcomes(response: pb.BatchClassifyResponse, *, expected: int) -> list[Classification | ImageError]:
    """One outcome for each image of the request, in its order."""
    if len(response.results) != expected:
        raise invalid_response(f"The server answered {len(response.results)} results for {expected} images")
    model = served_model(response.model)
    return [outcome_of(result, model) for result in response.results]


def image_error(status: Status) -> ImageError:
    return ImageError.from_details(details_of_status(status))


def outcome_of(result: pb.ClassifyResult, model: ServedModel) -> Classification | ImageError:
    match result.WhichOneof("outcome"):
        case "classification":
            answer = result.classification
            return Classification(predictions=predictions(answer.predictions), unknown=answer.unknown, model=model)
        case "error":
            return image_error(result.error)
        case _:
            raise invalid_response("The server answered neither a classification nor an error for one of the images")


def predictions(predictions: Iterable[pb.Prediction]) -> tuple[Prediction, ...]:
    return tuple(Prediction(index=p.index, label=p.label, probability=p.probability) for p in predictions)


def stage_times(times: pb.StageTimes) -> StageTimes:
    return StageTimes(
        decode_seconds=times.decode_seconds,
        preprocess_seconds=times.preprocess_seconds,
        queue_seconds=times.queue_seconds,
        inference_seconds=times.inference_seconds,
        postprocess_seconds=times.postprocess_seconds,
        batch_size=times.batch_size,
    )


def served_model(model: pb.ServedModel) -> ServedModel:
    return ServedModel(name=model.name, version=model.version, digest=model.digest, precision=model.precision)


def invalid_response(sentence: str) -> ResponseInvalid:
    return ResponseInvalid(ErrorDetails(code=grpc.StatusCode.INTERNAL, reason="RESPONSE_INVALID", message=sentence))
