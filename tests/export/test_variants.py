"""The forms in other arithmetic (export/variants.py)."""

from dataclasses import replace

import onnx
import pytest
from onnx import TensorProto

from export.graph import to_bytes
from export.served import Pictures
from export.variants import (
    BuiltVariant,
    build_variant,
    compare,
    processor,
    reason_against,
    summary,
)
from export.verify import logits_of
from service.engine.session import Session
from service.models.variant import Comparison, Precision
from training.checkpoint import Run
from training.data import Splits


@pytest.fixture(scope="module")
def half(run: Run, graph: onnx.ModelProto, pictures: Pictures, session: Session) -> BuiltVariant:
    reference = logits_of(session, pictures.validation.images.pixels)
    return build_variant(Precision.FP16, run, graph, pictures, reference)


@pytest.fixture(scope="module")
def fp32(session: Session, splits: Splits) -> Comparison:
    logits = logits_of(session, splits.validation.pixels)
    return compare(session, splits.validation, logits, logits)


def test_half_precision_has_float32_at_its_boundary(half: BuiltVariant, graph: onnx.ModelProto) -> None:
    """Half the size, the checker agrees, and callers notice nothing."""
    onnx.checker.check_model(to_bytes(half.graph), full_check=True)
    kinds = [value.type.tensor_type.elem_type for value in (*half.graph.graph.input, *half.graph.graph.output)]
    assert kinds == [TensorProto.UINT8, TensorProto.FLOAT, TensorProto.FLOAT]
    assert half.graph.ByteSize() < 0.55 * graph.ByteSize()


def test_float32_agrees_with_itself(fp32: Comparison) -> None:
    """And says how fast it was, and where."""
    assert (fp32.agreement, fp32.images) == (1.0, 50)
    assert fp32.images_per_second > 0
    assert fp32.processor == processor()
    assert fp32.processor


def test_a_small_loss_is_published(half: BuiltVariant, fp32: Comparison) -> None:
    """Half precision loses nothing here."""
    assert half.comparison.agreement > 0.97
    assert reason_against(half, fp32, max_accuracy_loss=2.0) is None
    assert f"{half.graph.ByteSize():,} bytes" in summary(half, fp32)


def test_a_larger_loss_is_left_out_and_says_why(half: BuiltVariant, fp32: Comparison) -> None:
    """One more point than allowed."""
    worse = replace(half, comparison=fp32.model_copy(update={"accuracy": fp32.accuracy - 0.015}))
    assert reason_against(worse, fp32, max_accuracy_loss=1.6) is None
    reason = reason_against(worse, fp32, max_accuracy_loss=0.5)
    assert reason is not None
    assert "loses 1.50 points" in reason
    assert "at most 0.5 are allowed" in reason


def test_exactly_the_loss_that_is_allowed_is_allowed(half: BuiltVariant, fp32: Comparison) -> None:
    """0.9176 - 0.9126 is a little more than 0.005 in binary."""
    before, after = (fp32.model_copy(update={"accuracy": accuracy}) for accuracy in (0.9176, 0.9126))
    assert reason_against(replace(half, comparison=after), before, max_accuracy_loss=0.5) is None
    assert reason_against(replace(half, comparison=after), before, max_accuracy_loss=0.499) is not None


def test_numbers_that_overflow_are_left_out(half: BuiltVariant, fp32: Comparison) -> None:
    """However good the accuracy."""
    overflowing = replace(half, max_abs_difference=float("nan"))
    assert "not finite" in str(reason_against(overflowing, fp32, max_accuracy_loss=100))
