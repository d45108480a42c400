"""Whether a request fits its model."""

import numpy as np
import pytest

from service.api.oip.requests import GivenTensor, InferRequest, WantedTensor
from service.api.oip.validation import checked_inputs, checked_outputs
from service.engine.datatypes import Datatype
from service.errors import ArgumentInvalid, BatchTooLarge
from tests.service.api.oip.tensor_models import Doubling, spec

PAIR = Doubling(inputs=(spec("a", -1, 2), spec("b", -1, -1)))
IMAGES = Doubling(inputs=(spec("image", -1, 8, 12, 1, datatype=Datatype.UINT8, most_images=256),))


def tensor(name: str, *shape: int, datatype: Datatype = Datatype.FP32) -> GivenTensor:
    return GivenTensor(name=name, datatype=datatype, tensor=np.zeros(shape, dtype=datatype.dtype))


def check(model: Doubling, *tensors: GivenTensor) -> list[str]:
    return list(checked_inputs(InferRequest(model="m", inputs=tensors), model))


def test_inputs_in_any_order_fit() -> None:
    """Sizes that are open take any."""
    assert check(PAIR, tensor("b", 2, 7), tensor("a", 2, 2)) == ["b", "a"]
    assert check(Doubling(max_batch_size=0, inputs=(spec("x", 3),)), tensor("x", 3)) == ["x"]


@pytest.mark.parametrize(
    ("model", "tensors", "sentence"),
    [
        (Doubling(), [tensor("z", 1, 3)], "unexpected inference input 'z' for model 'm'"),
        (Doubling(), [tensor("x", 1, 3), tensor("x", 1, 3)], "input 'x' already exists in request"),
        (Doubling(), [], "expected 1 inputs but got 0 inputs for model 'm'"),
        (PAIR, [tensor("a", 1, 2)], r"missing required input\(s\) \['b'\]"),
        (PAIR, [tensor("a", 1, 2), tensor("b", 2, 2)], r"must have the same batch-size, got \[1, 2\]"),
        (
            Doubling(),
            [tensor("x", 1, 3, datatype=Datatype.UINT8)],
            "inference input 'x' data-type is 'UINT8', but model 'm' expects 'FP32'",
        ),
        (
            Doubling(),
            [tensor("x", 1, 4)],
            r"unexpected shape for input 'x' for model 'm'\. Expected \[-1,3\], got \[1,4\]",
        ),
        (Doubling(), [tensor("x", 3)], r"Expected \[-1,3\], got \[3\]"),
        (Doubling(), [tensor("x", 0, 3)], "batch-size must be >= 1 for 'm'"),
        (IMAGES, [tensor("image", 2, 2, datatype=Datatype.BYTES)], r"Expected \[-1\], got \[2,2\]"),
        (IMAGES, [tensor("image", 1, 8, 12, 1)], r"expects 'UINT8' \(or BYTES: encoded images\)"),
    ],
)
def test_what_does_not_fit_is_named(model: Doubling, tensors: list[GivenTensor], sentence: str) -> None:
    """In the protocol's words."""
    with pytest.raises(ArgumentInvalid, match=sentence):
        check(model, *tensors)


def test_a_batch_has_its_limit() -> None:
    """That of the model's configuration; encoded images have their own, since they need not be one batch."""
    assert check(Doubling(), tensor("x", 4, 3)) == ["x"]
    with pytest.raises(BatchTooLarge, match="inference request batch-size must be <= 4 for 'm'"):
        check(Doubling(), tensor("x", 5, 3))
    assert check(IMAGES, tensor("image", 256, 1, datatype=Datatype.BYTES)) == ["image"]
    with pytest.raises(BatchTooLarge, match="batch-size must be <= 256 for 'm'"):
        check(IMAGES, tensor("image", 257, datatype=Datatype.BYTES))
    with pytest.raises(BatchTooLarge, match="batch-size must be <= 4 for 'm'"):
        check(IMAGES, tensor("image", 5, 8, 12, 1, datatype=Datatype.UINT8))


def test_outputs_that_are_not_named_are_those_of_the_metadata() -> None:
    """Those on request must be named; unknown and doubled ones are refused."""
    model = Doubling(outputs=(spec("y", -1), spec("z", -1)), outputs_on_request=(spec("extra", -1),))
    assert [output.name for output, _ in checked_outputs((), model)] == ["y", "z"]
    asked = [WantedTensor(name="extra"), WantedTensor(name="y", best=2)]
    assert [(output.name, output.best) for output, _ in checked_outputs(asked, model)] == [("extra", None), ("y", 2)]
    with pytest.raises(ArgumentInvalid, match="unexpected inference output 'q' for model 'm'"):
        checked_outputs([WantedTensor(name="q")], model)
    with pytest.raises(ArgumentInvalid, match="output 'y' already exists in request"):
        checked_outputs([WantedTensor(name="y"), WantedTensor(name="y")], model)
