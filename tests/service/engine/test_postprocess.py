"""Postprocessing: logits come out as ranked labels with calibrated probabilities."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.postprocess import best_labels, classification_of, classifications_of, probabilities_of

LABELS = ("ant", "bee", "cat", "dog")
FLOAT_MAX = float(np.finfo(np.float32).max)


def logits(*values: float) -> npt.NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def ranked(values: npt.NDArray[np.float32], *, top_k: int = 4, temperature: float = 1.0) -> list[str]:
    answer = classification_of(values, labels=LABELS, temperature=temperature, top_k=top_k, min_confidence=None)
    return [prediction.label for prediction in answer.predictions]


def test_labels_come_by_falling_probability() -> None:
    """The best first, each with its place in the labels and its softmax."""
    values = logits(0.0, 2.0, -1.0, 1.0)
    answer = classification_of(values, labels=LABELS, temperature=1.0, top_k=4, min_confidence=None)
    expected = np.exp(values.astype(np.float64)) / np.exp(values.astype(np.float64)).sum()
    assert [prediction.label for prediction in answer.predictions] == ["bee", "dog", "ant", "cat"]
    for prediction in answer.predictions:
        assert prediction.label == LABELS[prediction.index]
        assert prediction.probability == pytest.approx(expected[prediction.index])


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_the_best_alone_are_the_first_of_all(images: int, seed: int) -> None:
    """Ties go to the label that comes first."""
    values = np.random.default_rng(seed).integers(-3, 3, size=(images, 4)).astype(np.float32)
    best, shares = best_labels(values, temperature=1.3)
    firsts = [
        one.predictions[0]
        for one in classifications_of(values, labels=LABELS, temperature=1.3, top_k=1, min_confidence=None)
    ]
    assert best == [first.index for first in firsts]
    assert shares == pytest.approx([first.probability for first in firsts])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("images", [2, 20])
def test_an_image_with_no_number_has_no_probability(bad: float, images: int) -> None:
    """Its neighbours have theirs, be they few or many."""
    values = np.tile(logits(3.0, 1.0, 0.0, 0.0), (images, 1))
    values[1, 2] = bad
    with np.errstate(invalid="ignore"):
        best, shares = best_labels(values, temperature=1.0)
    assert best == [0, 2, *[0] * (images - 2)]
    assert [place for place, share in enumerate(shares) if math.isnan(share)] == [1]


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_many_at_once_are_what_each_is_alone(images: int, seed: int) -> None:
    """To the last bit."""
    values = np.random.default_rng(seed).normal(scale=4, size=(images, 4)).astype(np.float32)
    many = classifications_of(values, labels=LABELS, temperature=1.3, top_k=3, min_confidence=0.5)
    assert many == [
        classification_of(row, labels=LABELS, temperature=1.3, top_k=3, min_confidence=0.5) for row in values
    ]


@pytest.mark.parametrize("values", [(3.0, 3.0, 3.0, 3.0), (0.0, 5.0, 0.0, 5.0), (-1.0, -1.0, 2.0, -1.0)])
def test_ties_rank_in_the_order_of_the_labels(values: tuple[float, ...]) -> None:
    """Equal logits never change places between two calls or two machines."""
    expected = sorted(range(4), key=lambda index: (-values[index], index))
    assert ranked(logits(*values)) == [LABELS[index] for index in expected]


@pytest.mark.parametrize(("top_k", "given_back"), [(1, 1), (3, 3), (4, 4), (5, 4), (1000, 4)])
def test_no_more_labels_than_there_are(top_k: int, given_back: int) -> None:
    """`top_k` is an upper bound."""
    assert len(ranked(logits(1.0, 2.0, 3.0, 4.0), top_k=top_k)) == given_back


def test_the_best_labels_are_the_same_for_every_top_k() -> None:
    """A shorter answer is the beginning of a longer one, with the same probabilities."""
    values = logits(0.3, 0.9, 0.9, -2.0)
    full = classification_of(values, labels=LABELS, temperature=1.0, top_k=4, min_confidence=None)
    for top_k in range(1, 4):
        part = classification_of(values, labels=LABELS, temperature=1.0, top_k=top_k, min_confidence=None)
        assert part.predictions == full.predictions[:top_k]


def test_the_temperature_softens_but_does_not_rerank() -> None:
    """Above 1 the best label is believed less, below 1 more; softmax(logits / T) exactly."""
    values = logits(0.0, 2.0, -1.0, 1.0)
    for temperature in (0.1, 0.5, 1.0, 3.0, 100.0):
        powers = np.exp(values.astype(np.float64) / temperature)
        assert probabilities_of(values, temperature) == pytest.approx(powers / powers.sum())
        assert ranked(values, temperature=temperature) == ranked(values)
    assert (
        probabilities_of(values, 0.5).max() > probabilities_of(values, 1.0).max() > probabilities_of(values, 2.0).max()
    )


@pytest.mark.parametrize(
    "values",
    [
        (FLOAT_MAX, -FLOAT_MAX, 0.0, 1.0),
        (-FLOAT_MAX,) * 4,
        (FLOAT_MAX,) * 4,
        (1e-45, 0.0, -1e-45, 0.0),
        (-np.inf, 0.0, 1.0, 2.0),  # a label that the graph rules out
    ],
)
@pytest.mark.parametrize("temperature", [0.01, 1.0, 100.0])
def test_extreme_logits_give_probabilities(values: tuple[float, ...], temperature: float) -> None:
    """The largest numbers that the graph can give neither overflow nor become NaN."""
    shares = probabilities_of(logits(*values), temperature)
    assert np.all(np.isfinite(shares))
    assert shares.sum() == pytest.approx(1.0)
    assert ranked(logits(*values), temperature=temperature)[0] == LABELS[int(np.argmax(values))]


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    values=st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=2, max_size=20),
    temperature=st.floats(0.05, 20.0),
)
def test_probabilities_sum_to_one(values: list[float], temperature: float) -> None:
    """Whatever the logits, the probabilities are a distribution in which a larger logit is never less probable."""
    shares = probabilities_of(logits(*values), temperature)
    assert shares.sum() == pytest.approx(1.0)
    assert np.all((shares >= 0.0) & (shares <= 1.0))
    assert np.all(np.diff(shares[np.argsort(logits(*values))]) >= 0.0)


def test_rows_of_a_batch_do_not_mix() -> None:
    """The softmax runs over the labels of each row."""
    batch = np.stack((logits(0, 0, 0, 0), logits(1000, 0, 0, 0)))
    assert probabilities_of(batch, 1.0) == pytest.approx(np.array([[0.25] * 4, [1.0, 0.0, 0.0, 0.0]]))


@pytest.mark.parametrize(
    ("threshold", "unknown"), [(None, False), (0.0, False), (0.49, False), (0.5, False), (0.51, True), (1.0, True)]
)
def test_an_answer_below_the_threshold_is_unknown(threshold: float | None, unknown: bool) -> None:
    """Strictly below; without a threshold every answer is believed. The labels are given all the same."""
    answer = classification_of(logits(0, 0), labels=LABELS[:2], temperature=1.0, top_k=1, min_confidence=threshold)
    assert answer.unknown is unknown
    assert answer.predictions[0].label == "ant"
