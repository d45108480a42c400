"""A model that guesses after many steps is noticed; one that learns is left alone."""

import math

import torch

from training.watch import LearningWatch


def notes(losses: list[float], *, steps: int = 100) -> list[str]:
    watch = LearningWatch(classes=10, steps=steps)
    return [note for loss in losses if (note := watch.see(torch.tensor(loss)))]


def test_a_loss_that_stays_at_chance_is_reported_once_with_likely_causes() -> None:
    """The loss is ln 10, the loss at which networks without normalisation get stuck."""
    (note,) = notes([math.log(10)] * 300)
    assert "after 100 steps" in note
    assert "2.303" in note
    assert "learning rate" in note


def test_a_falling_loss_is_not() -> None:
    """Even when the beginning was at chance."""
    assert notes([math.log(10)] * 60 + [1.5] * 200) == []
    assert notes([math.log(10)] * 99) == []


def test_it_goes_on_where_it_was() -> None:
    """Half of the window before, half after an interruption."""
    first, second = LearningWatch(classes=10, steps=100), LearningWatch(classes=10, steps=100)
    for _ in range(75):
        first.see(torch.tensor(2.3))
    second.restore(first.state())
    assert [bool(second.see(torch.tensor(2.3))) for _ in range(26)] == [False] * 24 + [True, False]
