"""The finder changes nothing, and finds a rate that works."""

import copy

import torch

from training.config import Optimization, Recipe
from training.data import Splits
from training.learning_rate import LearningRateCurve, find_learning_rate
from training.loop import Trainer
from training.models import build


def test_model_optimiser_and_random_numbers_are_bit_equal_afterwards(recipe: Recipe, splits: Splits) -> None:
    """So that a run after a search is the run without one."""
    model = build("fashion_cnn").train()
    trainer = Trainer(model, splits.train, recipe, seed=0)
    trainer.run_epoch()
    before = copy.deepcopy(trainer.state())
    find_learning_rate(model, splits.train, recipe, seed=0, steps=10)
    after = trainer.state()
    assert all(torch.equal(after["model"][name], value) for name, value in before["model"].items())
    for old, new in zip(before["optimizer"]["state"].values(), after["optimizer"]["state"].values(), strict=True):
        assert all(torch.equal(torch.as_tensor(new[key]), torch.as_tensor(old[key])) for key in old)
    assert before["optimizer"]["param_groups"] == after["optimizer"]["param_groups"]
    assert torch.equal(before["torch"], torch.get_rng_state())
    assert torch.equal(before["generator"], after["generator"])
    assert model.training


def test_the_suggestion_lies_where_the_loss_falls(recipe: Recipe, splits: Splits) -> None:
    """Between rates that do nothing and rates that diverge."""
    chosen = Optimization(learning_rate=1.0)
    torch.manual_seed(0)
    curve = find_learning_rate(
        build("fashion_cnn"), splits.train, Recipe(
            name="search", model=recipe.model, data=recipe.data, preprocessing=recipe.preprocessing,
            augmentation=recipe.augmentation, optimization=chosen, epochs=1, batch_size=64,
        ), seed=0, steps=60,
    )  # fmt: skip
    assert 1e-4 < curve.suggestion < 0.5
    assert list(curve.rates) == sorted(curve.rates)


def test_what_comes_after_the_lowest_loss_is_not_looked_at() -> None:
    """A loss that has left its lowest point jumps up and down."""
    curve = LearningRateCurve(rates=(1e-3, 1e-2, 0.1, 0.3, 1.0), losses=(2.0, 1.5, 0.5, 4.0, 0.6))
    assert (curve.suggestion, curve.lowest) == (1e-2, 0.1)


def test_the_jumps_of_the_first_losses_are_not_looked_at() -> None:
    """They are the noise of single batches; the average has not settled."""
    rates = tuple(1e-5 * 10 ** (place / 10) for place in range(40))
    noise = (9.0, 5.0, 3.0)
    falling = tuple(3.0 - (1.5 if place > 24 else 0.0) for place in range(3, 40))
    assert LearningRateCurve(rates=rates, losses=noise + falling).suggestion == rates[24]
