"""The graph against torch, and the package against the service's replay (export/verify.py)."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.draft import Draft
from export.errors import DifferenceTooLarge, PublicationFailed
from export.graph import OUTPUTS, build_graph, to_bytes
from export.publish import publish
from export.verify import MAX_ABS_DIFFERENCE, check_difference, load_session, logits_of, prove
from service.engine.session import Session
from service.models.golden import GoldenSamples
from training.checkpoint import Run
from training.data import Splits
from training.evaluate import Predictions


def test_the_graph_computes_what_torch_computes(session: Session, splits: Splits, test: Predictions) -> None:
    """On every test image, in batches and alone."""
    difference = check_difference(session, splits.test.pixels, test.logits)
    assert 0 <= difference <= MAX_ABS_DIFFERENCE


def test_another_normalisation_is_noticed(run: Run, splits: Splits, test: Predictions) -> None:
    """A mean that is wrong in the third decimal is too much."""
    preprocessing = replace(run.record.preprocessing, mean=(0.287,))
    graph = build_graph(run.build_model(), replace(run, record=replace(run.record, preprocessing=preprocessing)))
    with pytest.raises(DifferenceTooLarge, match="differ from training's by"):
        check_difference(load_session(to_bytes(graph), OUTPUTS), splits.test.pixels, test.logits)


def test_one_wrong_row_is_noticed(session: Session, splits: Splits, test: Predictions) -> None:
    """The largest difference counts, not the mean."""
    reference = test.logits.copy()
    reference[-1, 0] += 0.001
    with pytest.raises(DifferenceTooLarge, match=r"by 0\.00[01].* over 300 images"):
        check_difference(session, splits.test.pixels, reference)


def test_not_a_number_is_a_difference(session: Session, splits: Splits, test: Predictions) -> None:
    """It compares as neither larger nor smaller."""
    reference = test.logits.copy()
    reference[0, 0] = np.nan
    with pytest.raises(DifferenceTooLarge):
        check_difference(session, splits.test.pixels, reference)


def test_batches_are_put_together_in_order(session: Session, splits: Splits, test: Predictions) -> None:
    """The last one is shorter."""
    logits = logits_of(session, splits.test.pixels[:50], batch_size=16)
    np.testing.assert_allclose(logits, test.logits[:50], rtol=0, atol=1e-4)


def test_a_package_that_the_service_would_refuse_is_not_published(
    draft: Draft, altered: Callable[..., Draft], tmp_path: Path
) -> None:
    """Golden logits that the graph does not give."""
    golden = GoldenSamples.from_bytes(draft.files["golden.npz"])
    shifted = GoldenSamples(images=golden.images, logits=golden.logits + np.float32(0.1), labels=golden.labels)
    with pytest.raises(PublicationFailed, match="golden samples disagree with training"):
        publish(altered(golden_npz=shifted.to_bytes()), tmp_path, prove=prove)
    assert list((tmp_path / "clothes").iterdir()) == []
