"""The loop learns, repeats itself for the same seed, and stops when the loss is no number."""

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from training.config import Augmentation, Balance, Optimization, Recipe
from training.data import Images, Splits, split
from training.data.dataset import Dataset
from training.device import Precision, hold
from training.errors import TrainingFailed
from training.evaluate import predict
from training.loop import CHECK_STEPS, Trainer
from training.models import Classifier, build
from training.models.fashion_cnn import FashionCNN


@pytest.fixture
def few(sample: Dataset) -> Images:
    """64 pictures."""
    return split(sample, seed=0, limit=64).train


def trained(images: Images, recipe: Recipe, *, seed: int = 0, precision: Precision = Precision.FP32) -> Classifier:
    """A model after all epochs of the recipe."""
    torch.manual_seed(seed)
    trainer = Trainer(build("fashion_cnn"), images, recipe, seed=seed, precision=precision)
    for _ in range(recipe.epochs):
        trainer.run_epoch()
    return trainer.model


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_it_overfits_64_pictures(recipe: Recipe, few: Images, precision: Precision, optimizer: str) -> None:
    """A loop that cannot learn them by heart is broken."""
    by_heart = replace(
        recipe,
        augmentation=Augmentation(),
        optimization=Optimization(
            optimizer=type(recipe.optimization.optimizer)(optimizer),
            learning_rate={"sgd": 0.05, "adamw": 0.01, "muon": 0.02}[optimizer],
        ),
        epochs=20,
        batch_size=16,
    )
    model = trained(few, by_heart, precision=precision)
    metrics = predict(model, few, recipe.preprocessing).metrics(names=tuple("0123456789"), split="train")
    assert metrics.accuracy == 1.0


def test_the_same_seed_gives_the_same_weights_bit_for_bit(recipe: Recipe, few: Images) -> None:
    """Order, augmentation and initial weights follow from it; another seed gives others."""
    first, again, other = (trained(few, recipe, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_every_picture_is_seen_once_in_an_epoch(recipe: Recipe, few: Images) -> None:
    """The last batch may be short; the steps are reported one by one."""
    steps: list[None] = []
    seen: list[int] = []
    model = build("fashion_cnn")
    model.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    trainer = Trainer(model, few, replace(recipe, batch_size=20), seed=0)
    result = trainer.run_epoch(lambda: steps.append(None))
    assert seen == [20, 20, 20, 4]
    assert len(steps) == 4
    assert result.epoch == 1


def test_a_picture_that_is_left_over_goes_with_the_batch_before(recipe: Recipe, few: Images) -> None:
    """Alone it could not be normalised: Inception's auxiliary head has one value of each channel for a picture."""
    torch.manual_seed(0)
    model = build("inception_v3", {"channels": 1, "classes": 10, "size": 28, "divisor": 8, "stem_stride": 2})
    seen: list[int] = []
    model.get_submodule("stem").register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    Trainer(model, few.take(np.arange(9)), replace(recipe, batch_size=4), seed=0).run_epoch()
    assert seen == [4, 5]


def test_the_average_is_what_counts_when_the_recipe_has_one(recipe: Recipe, few: Images) -> None:
    """The trained weights and their average are two models."""
    averaged = replace(recipe, optimization=replace(recipe.optimization, ema_decay=0.99))
    model = build("fashion_cnn")
    trainer = Trainer(model, few, averaged, seed=0)
    trainer.run_epoch()
    assert trainer.model is not model
    assert not torch.equal(trainer.model.state_dict()["classifier.weight"], model.state_dict()["classifier.weight"])


def test_labels_that_are_all_smoothed_away_cannot_be_learnt(recipe: Recipe, few: Images) -> None:
    """With a smoothing of 1 each label is as good as any other: the best loss is ln 10, and nothing gets below it."""
    smoothed = replace(recipe, optimization=replace(recipe.optimization, label_smoothing=1.0))
    trainer = Trainer(build("fashion_cnn"), few, smoothed, seed=0)
    assert trainer.run_epoch().loss >= math.log(10)


def test_a_loss_that_is_no_number_stops_the_run_before_the_epoch_ends(recipe: Recipe, splits: Splits) -> None:
    """With the likely cause and the options that help; there is no state to go on from."""
    wild = replace(recipe, optimization=Optimization(learning_rate=1e20), batch_size=8)
    trainer = Trainer(build("fashion_cnn"), splits.train, wild, seed=0)
    steps: list[None] = []
    failure = r"the loss is .* in epoch 1: the learning rate \(1e\+20\) is too high .*--learning-rate RATE --force"
    with pytest.raises(TrainingFailed, match=failure):
        trainer.run_epoch(lambda: steps.append(None))
    assert len(steps) == CHECK_STEPS - 1 < wild.steps_per_epoch(len(splits.train)) - 1
    with pytest.raises(TrainingFailed, match="the loss is"):
        trainer.state()


def test_weights_that_are_no_numbers_are_never_a_state(recipe: Recipe, few: Images) -> None:
    """Even where no loss has told of them yet."""
    trainer = Trainer(build("fashion_cnn"), few, recipe, seed=0)
    trainer.state()
    next(trainer.model.parameters()).data[0] = float("inf")
    with pytest.raises(TrainingFailed, match="begin anew"):
        trainer.state()


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_last_step_that_blows_up_stops_the_run_too(recipe: Recipe, few: Images, ema_decay: float | None) -> None:
    """No loss comes after it that could tell."""
    wild = replace(recipe, optimization=Optimization(learning_rate=1e38, ema_decay=ema_decay), batch_size=len(few))
    trainer = Trainer(build("fashion_cnn"), few, wild, seed=0)
    with pytest.raises(TrainingFailed, match=r"the loss is nan in epoch 1: .*--learning-rate RATE --force"):
        trainer.run_epoch()


def test_an_average_that_is_no_number_stops_the_run(recipe: Recipe, few: Images) -> None:
    """The weights that are trained may be fine."""
    averaged = replace(recipe, optimization=replace(recipe.optimization, ema_decay=0.99))
    trainer = Trainer(build("fashion_cnn"), few, averaged, seed=0)
    next(trainer.model.parameters()).data[0] = float("inf")
    with pytest.raises(TrainingFailed, match="the loss is nan in epoch 1"):
        trainer.run_epoch()


def test_a_trial_of_two_steps_is_not_said_to_learn_nothing(recipe: Recipe, few: Images) -> None:
    """It cannot have learnt anything yet."""
    notes: list[str] = []
    idle = replace(recipe, optimization=Optimization(learning_rate=1e-9), epochs=2, batch_size=64)
    trainer = Trainer(build("fashion_cnn"), few, idle, seed=0, on_note=notes.append)
    for _ in range(idle.epochs):
        trainer.run_epoch()
    assert notes == []


def test_a_class_without_training_pictures_counts_too(recipe: Recipe, few: Images) -> None:
    """It may be there for validation only: the others are balanced among themselves, and guessing is among all."""
    balanced = replace(recipe, data=replace(recipe.data, balance="loss"))
    notes: list[str] = []
    idle = replace(balanced, optimization=Optimization(learning_rate=1e-9), epochs=20, batch_size=16)
    two = few.take(np.flatnonzero(few.labels < 2))
    trainer = Trainer(build("fashion_cnn", {"classes": 3}), two, idle, seed=0, on_note=notes.append, classes=3)
    for _ in range(idle.epochs):
        trainer.run_epoch()
    assert trainer._class_weights is not None
    counts = np.bincount(two.labels, minlength=3)
    assert trainer._class_weights.numpy() * counts == pytest.approx([len(two) / 2] * 2 + [0])
    assert "ln(classes) = 1.099" in notes[0]


class WithAuxiliary(FashionCNN):
    """Its head guesses; an auxiliary head whose loss weighs as much stands beside it."""

    auxiliary_weight = 1.0

    def with_auxiliaries(self, images: Tensor) -> tuple[Tensor, ...]:
        return self(images), self(images)


def test_auxiliary_heads_do_not_count_when_learning_is_watched(recipe: Recipe, few: Images) -> None:
    """A model that guesses has ln 10, not twice that."""
    notes: list[str] = []
    idle = replace(recipe, optimization=Optimization(learning_rate=1e-9), batch_size=3)
    trainer = Trainer(WithAuxiliary(), few, idle, seed=0, on_note=notes.append)
    assert trainer.run_epoch().loss > 4
    assert float(notes[0].split("the loss is ")[1].split(",")[0]) < 3


def test_pictures_that_do_not_fit_a_gpu_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what is free is for the activations; on a CPU nothing moves."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (1000, 8000))
    pixels = torch.zeros(501, dtype=torch.uint8)
    assert hold(pixels, torch.device("cuda")) is pixels
    assert hold(pixels, torch.device("cpu")) is pixels


def test_an_epoch_that_was_cut_off_after_its_last_step_keeps_its_learning_rate(recipe: Recipe, few: Images) -> None:
    """The line of that epoch is written after the resumption, without a step."""
    first, second = (Trainer(build("fashion_cnn"), few, recipe, seed=0) for _ in range(2))
    states: list[dict[str, Any]] = []
    result = first.run_epoch(lambda: states.append(copy.deepcopy(first.state())))
    second.restore(states[-1])
    assert second.run_epoch().learning_rate == result.learning_rate > 0


def test_gradients_are_shortened_to_the_norm_of_the_recipe(recipe: Recipe, few: Images) -> None:
    """With a norm of nothing, nothing is learnt."""
    still = replace(recipe, optimization=Optimization(learning_rate=0.1, clip_norm=1e-12))
    model = build("fashion_cnn")
    before = model.classifier.weight.detach().clone()  # type: ignore[operator]  # a layer
    Trainer(model, few, still, seed=0).run_epoch()
    assert torch.allclose(model.classifier.weight, before, atol=1e-9)  # type: ignore[arg-type]  # a tensor


@pytest.mark.parametrize("balance", ["sampler", "loss"])
def test_rare_labels_are_made_up_for(recipe: Recipe, splits: Splits, balance: Balance) -> None:
    """Of 53 pictures of one label and three of another, both are drawn alike, or weigh alike."""
    indices = np.flatnonzero(splits.train.labels == 0).tolist() + np.flatnonzero(splits.train.labels == 1)[:3].tolist()
    uneven = splits.train.take(np.array(indices))
    seen: list[int] = []
    model = build("fashion_cnn", {"classes": 2})
    balanced = replace(recipe, data=replace(recipe.data, balance=balance), augmentation=Augmentation())
    trainer = Trainer(model, uneven, balanced, seed=0)
    if balance == "sampler":
        for _ in range(10):
            seen += uneven.labels[trainer._draw_order().numpy()].tolist()
        assert 0.4 < np.mean(seen) < 0.6
    else:
        counts = np.bincount(uneven.labels)
        assert trainer._class_weights is not None
        assert trainer._class_weights.numpy() * counts == pytest.approx([len(uneven) / 2] * 2)


def test_a_model_that_learns_nothing_is_reported(recipe: Recipe, splits: Splits) -> None:
    """With a learning rate of almost nothing the loss stays at that of guessing."""
    notes: list[str] = []
    idle = replace(recipe, optimization=Optimization(learning_rate=1e-9), epochs=2, batch_size=50)
    trainer = Trainer(build("fashion_cnn"), splits.train, idle, seed=0, on_note=notes.append)
    trainer.run_epoch()
    trainer.run_epoch()
    assert len(notes) == 1
    assert "not learning" in notes[0]
