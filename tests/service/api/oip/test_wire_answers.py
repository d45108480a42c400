"""Answers as bytes (service/api/oip/wire_answers.py): what protobuf reads in them is the message."""

import numpy as np
import pytest
from recognition.oip import open_inference_pb2 as pb

from service.api.oip.messages import answer_message
from service.api.oip.requests import InferAnswer, OutputTensor
from service.api.oip.wire_answers import MOST_KNOWN, WireAnswers
from service.engine.datatypes import Datatype


def answer(*shapes: tuple[int, ...], id_: str = "") -> InferAnswer:
    outputs = tuple(
        OutputTensor(name=f"output {place}", datatype=Datatype.FP32, tensor=np.full(shape, place, dtype=np.float32))
        for place, shape in enumerate(shapes)
    )
    return InferAnswer(model="m", version=3, id=id_, outputs=outputs)


@pytest.mark.parametrize(
    "given",
    [
        answer(),
        answer((1, 10)),
        answer((0, 10)),
        answer((), (3,)),
        answer((64, 1000), (64, 512), id_="mine"),
        answer((4, 4), id_="ä" * 300),
        InferAnswer(
            model="m",
            version=1,
            id="",
            outputs=(
                OutputTensor(
                    name="texts", datatype=Datatype.BYTES, tensor=np.array([b"a", b"", b"long" * 99], dtype=object)
                ),
            ),
        ),
    ],
)
def test_it_is_the_message(given: InferAnswer) -> None:
    """The first time and whenever it comes again."""
    answers = WireAnswers()
    for _ in range(2):
        assert pb.ModelInferResponse.FromString(answers.bytes_of(given)) == answer_message(given)


def test_answers_that_differ_in_their_tensors_only_share_a_form() -> None:
    answers = WireAnswers()
    for name in ("a", "b", ""):
        answers.bytes_of(answer((1, 10), id_=name))
    assert len(answers._known) == 1


def test_few_forms_are_remembered() -> None:
    """However many sizes clients send."""
    answers = WireAnswers()
    for size in range(3 * MOST_KNOWN):
        answers.bytes_of(answer((size, 2)))
        assert len(answers._known) <= MOST_KNOWN
