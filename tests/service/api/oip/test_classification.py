"""The best elements of each item as texts."""

import numpy as np
import pytest

from service.api.oip.classification import best_elements
from service.engine.datatypes import Datatype
from service.engine.tensor_session import TensorSpec
from service.errors import ArgumentInvalid


def best(values: list[list[float]], datatype: Datatype = Datatype.FP32, *, best: int = 2, labels: str = "") -> object:
    spec = TensorSpec(name="y", datatype=datatype, shape=(-1, 3), labels=tuple(labels.split()))
    return best_elements(np.array(values, dtype=datatype.dtype), spec, best=best, batched=True).tolist()


def test_texts_are_value_index_and_label() -> None:
    """Six decimals; a label that is missing is left out."""
    assert best([[0.25, 0.861093, -1.0]], labels="cat dog:big") == [[b"0.861093:1:dog:big", b"0.250000:0:cat"]]
    assert best([[0.25, 0.5, 1.0]], labels="cat dog") == [[b"1.000000:2", b"0.500000:1:dog"]]


@pytest.mark.parametrize("datatype", [Datatype.FP16, Datatype.FP64])
def test_other_floats_are_ranked_too(datatype: Datatype) -> None:
    """Half precision as well."""
    assert best([[0.5, -0.25, 2.0]], datatype) == [[b"2.000000:2", b"0.500000:0"]]


def test_whole_numbers_are_written_whole() -> None:
    """And ranked rightly at the ends of their range."""
    assert best([[-128, 127, 0]], Datatype.INT8) == [[b"127:1", b"0:2"]]
    assert best([[0, 2**64 - 1, 1]], Datatype.UINT64) == [[b"18446744073709551615:1", b"1:2"]]


def test_equal_values_rank_by_their_index() -> None:
    """Always."""
    assert best([[1.0, 1.0, 1.0]], best=3) == [[b"1.000000:0", b"1.000000:1", b"1.000000:2"]]


def test_more_than_there_are_is_all_of_them() -> None:
    """Of every item."""
    assert best([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], best=9) == [
        [b"3.000000:2", b"2.000000:1", b"1.000000:0"],
        [b"3.000000:0", b"2.000000:1", b"1.000000:2"],
    ]


def test_items_are_flattened() -> None:
    """All dimensions but the batch; of a model without batches all of them."""
    spec = TensorSpec(name="y", datatype=Datatype.FP32, shape=(2, 2))
    tensor = np.array([[1.0, 4.0], [3.0, 2.0]], dtype=np.float32)
    assert best_elements(tensor, spec, best=2, batched=False).tolist() == [b"4.000000:1", b"3.000000:2"]


def test_an_item_without_numbers_has_empty_texts() -> None:
    """Its neighbours have theirs."""
    nan = float("nan")
    assert best([[nan, nan, nan], [1.0, 2.0, 3.0]], best=1) == [[b""], [b"3.000000:2"]]


@pytest.mark.parametrize("datatype", [Datatype.BOOL, Datatype.BF16, Datatype.BYTES])
def test_what_cannot_be_ranked_is_refused(datatype: Datatype) -> None:
    """By name and type."""
    with pytest.raises(ArgumentInvalid, match=f"output 'y' due to unsupported type '{datatype}'"):
        best([[0, 1, 1]], datatype)
