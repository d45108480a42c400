"""JSON answers from the messages of recognition.v1, so that both doors say the same: pure functions, one for each."""

from collections.abc import Sequence
from typing import Any

from google.protobuf import message
from google.protobuf.json_format import MessageToDict
from recognition.v1 import recognition_pb2 as pb

from service.api.messages import classification_message, model_message, served_model_message, stage_times_message
from service.api.rest import schemas
from service.api.rest.errors import error_of
from service.engine.answers import Answer
from service.engine.times import Times
from service.errors import ServiceError
from service.models.live_model import LiveModel
from service.models.manifest import Precision
from service.models.registry import Entry

STATE_PREFIX = "MODEL_STATE_"


def classify_answer(live: LiveModel, answer: Answer) -> schemas.ClassifyAnswer:
    return schemas.ClassifyAnswer(
        classification=_classification(answer), model=served_model(live), times=stage_times([answer.times])
    )


def batch_classify_answer(
    live: LiveModel, names: Sequence[str], answers: Sequence[Answer | ServiceError]
) -> schemas.BatchClassifyAnswer:
    return schemas.BatchClassifyAnswer(
        results=[_file_result(name, answer) for name, answer in zip(names, answers, strict=True)],
        model=served_model(live),
        times=stage_times([answer.times for answer in answers if isinstance(answer, Answer)]),
    )


def served_model(live: LiveModel) -> schemas.ServedModel:
    return schemas.ServedModel.model_validate(fields_of(served_model_message(live)))


def stage_times(times: Sequence[Times]) -> schemas.StageTimes:
    return schemas.StageTimes.model_validate(fields_of(stage_times_message(times)))


def model(entry: Entry, precision: Precision | None = None) -> schemas.Model:
    described = model_message(entry, precision)
    state = pb.ModelState.Name(described.state).removeprefix(STATE_PREFIX)
    return schemas.Model.model_validate(fields_of(described) | {"state": state})


def fields_of(answer: message.Message) -> dict[str, Any]:
    """Every field by its name in the .proto file; 64-bit numbers are text, as protobuf's JSON has them."""
    fields: dict[str, Any] = MessageToDict(
        answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return fields


def _file_result(name: str, answer: Answer | ServiceError) -> schemas.FileResult:
    if isinstance(answer, ServiceError):
        return schemas.FileResult(name=name, error=error_of(answer))
    return schemas.FileResult(name=name, classification=_classification(answer))


def _classification(answer: Answer) -> schemas.Classification:
    return schemas.Classification.model_validate(fields_of(classification_message(answer.classification)))
