"""The population stability index (service/drift.py)."""

import math
import random

import pytest

from service.drift import IMAGES_PER_BIN, Drift, ShareDrift
from service.models.manifest import Baseline

EVEN = (0.25, 0.25, 0.25, 0.25)


def fed(places: list[int]) -> ShareDrift:
    drift = ShareDrift(EVEN)
    for place in places:
        drift.observe([place])
    return drift


def test_the_index_is_the_formula() -> None:
    """Shares of 40, 30, 20 and 10 % against four quarters."""
    live = (0.4, 0.3, 0.2, 0.1)
    expected = sum((share - 0.25) * math.log(share / 0.25) for share in live)
    places = [place for place, share in enumerate(live) for _ in range(int(share * 400))]
    assert fed(places).psi() == pytest.approx(expected)
    assert expected == pytest.approx(0.228, abs=0.001)


def test_the_same_distribution_stays_near_zero() -> None:
    """What a full window scatters by itself is far below what counts as a shift."""
    source = random.Random(0)
    assert fed([source.randrange(4) for _ in range(4 * IMAGES_PER_BIN)]).psi() < 0.05


def test_another_distribution_is_a_large_shift_even_where_bins_are_empty() -> None:
    """One label only: the empty bins count as half an image."""
    assert 1.0 < fed([0] * 400).psi() < math.inf


def test_nothing_is_said_of_few_images() -> None:
    """Half a window is the least."""
    assert math.isnan(fed([]).psi())
    assert math.isnan(fed([0] * 199).psi())
    assert not math.isnan(fed([0] * 200).psi())


def test_old_images_are_forgotten() -> None:
    """After a window of the usual, an excursion is over."""
    assert fed([0] * 400 + [0, 1, 2, 3] * 100).psi() == pytest.approx(0.0)


def test_a_probability_falls_into_its_bin() -> None:
    """Of equal bins, the last of which holds 1.0 too."""
    drift = Drift(Baseline(images=1, label_shares=(0.5, 0.5), confidence_shares=(0.0, 0.0, 0.0, 1.0)))
    for _ in range(400):
        drift.observe([1], [1.0])
    assert drift.confidences.psi() == pytest.approx(0.0, abs=0.02)
    assert drift.labels.psi() > 0.25
