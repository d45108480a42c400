"""A head on a borrowed backbone learns a small task; fine-tuning goes on from there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.conftest import SAMPLE_DIRECTORY, SilentProgress
from tests.training.data.photographs import write_folder
from training.checkpoint import Run
from training.config import DataConfig, Recipe
from training.data import Splits
from training.errors import RecipeInvalid
from training.evaluate import predict
from training.finetune import features_of, finetune_recipe, scratch_recipe, take_over, train_head
from training.fit import fit
from training.models import build
from training.weights import Weights, fresh, from_run


@pytest.fixture
def weights(trained_run: Run) -> Weights:
    return from_run(trained_run.directory)


def borrowed(weights: Weights, *, epochs: int, data: str = "fashion-mnist-sample") -> Recipe:
    return finetune_recipe(weights, data=DataConfig(name=data), classes=10, epochs=epochs)


def tune(recipe: Recipe, weights: Weights, output: Path, data: Path = SAMPLE_DIRECTORY) -> tuple[Run, SilentProgress]:
    progress = SilentProgress()
    outcome = fit(
        recipe, seed=0, output=output, data_directory=data, device=torch.device("cpu"), progress=progress,
        weights=weights,
    )  # fmt: skip
    return outcome.run, progress


def test_the_head_alone_learns_and_the_backbone_stays(weights: Weights, tmp_path: Path) -> None:
    """Better than the run that lent its backbone after two epochs; not a weight below the head moves."""
    run, progress = tune(borrowed(weights, epochs=0), weights, tmp_path / "run")
    state = run.build_model().state_dict()
    below = [name for name in state if not name.startswith("classifier.")]
    assert all(torch.equal(state[name], weights.tensors[name]) for name in below)
    assert run.record.metrics["test"].accuracy > 0.6
    assert any("the new head knows" in note for note in progress.notes)
    assert run.record.recipe.transfer is not None
    assert run.record.recipe.transfer.source.startswith("run ")


def test_fine_tuning_frees_the_first_layer_last(weights: Weights, tmp_path: Path) -> None:
    """After one epoch it has not moved, after all of them it has."""
    for epochs, moved in ((1, False), (5, True)):
        run, _ = tune(borrowed(weights, epochs=epochs), weights, tmp_path / str(epochs))
        state = run.build_model().state_dict()
        assert torch.equal(state["conv1.weight"], weights.tensors["conv1.weight"]) != moved
        assert not torch.equal(state["classifier.weight"], weights.tensors["classifier.weight"])


def test_photographs_of_two_classes_are_learnt(weights: Weights, tmp_path: Path) -> None:
    """The head gets as many classes as there are folders, and grey 28 × 28 pictures are made of the photographs."""
    run, _ = tune(
        borrowed(weights, epochs=0, data="folder"), weights, tmp_path / "run", write_folder(tmp_path / "data")
    )
    assert run.record.labels == ("day", "night")
    assert run.record.model.arguments["classes"] == 2
    assert run.record.metrics["test"].accuracy == 1.0


def test_features_are_the_embedding_in_order(weights: Weights, splits: Splits) -> None:
    """Computed without batch statistics of the moment."""
    model = build("fashion_cnn").train()
    recipe = borrowed(weights, epochs=0)
    features = features_of(model, splits.validation, recipe)
    assert features.shape == (50, 1568)
    again = features_of(model, splits.validation.take(np.array([7, 3])), recipe)
    assert torch.allclose(features[[7, 3]], again, atol=1e-5)


def test_a_model_whose_head_has_no_weights_is_refused(weights: Weights) -> None:
    """NiN ends in averages."""
    with pytest.raises(RecipeInvalid, match="nin has no head of its own"):
        take_over(build("nin", {"channels": 1, "classes": 10, "size": 28}), replace(weights, model="nin"))


def test_a_head_heeds_rare_classes_where_they_are_to_be_made_up_for(weights: Weights, splits: Splits) -> None:
    """Forty T-shirts and four shirts, which look alike: weighted, more of the shirts are found."""
    labels = splits.train.labels
    few = splits.train.take(np.concatenate([np.flatnonzero(labels == 0)[:40], np.flatnonzero(labels == 6)[:4]]))
    two = replace(few, labels=(few.labels == 6).astype(np.int64))
    found = []
    for balance in ("none", "loss"):
        torch.manual_seed(0)
        model = build(weights.model, {**weights.arguments, "classes": 2})
        recipe = borrowed(weights, epochs=0).for_classes(2)
        recipe = replace(recipe, data=replace(recipe.data, balance=balance))
        assert recipe.transfer is not None
        take_over(model, weights)
        train_head(model, two, recipe, replace(recipe.transfer, head_epochs=5), seed=0)
        predicted = predict(model, two, recipe.preprocessing).logits.argmax(axis=1)
        found.append(int((predicted == 1).sum()))
    assert found[0] < found[1]


def test_the_same_from_fresh_weights_needs_no_weights(weights: Weights, tmp_path: Path) -> None:
    """What the transfer is compared with: every layer learns, from the first epoch on."""
    recipe = scratch_recipe(weights, data=DataConfig(name="fashion-mnist-sample"), classes=10, epochs=1)
    outcome = fit(
        recipe, seed=0, output=tmp_path / "run", data_directory=SAMPLE_DIRECTORY, device=torch.device("cpu"),
        progress=SilentProgress(),
    )  # fmt: skip
    assert outcome.run.record.name == "scratch_fashion_cnn"
    assert outcome.run.record.recipe.transfer is None
    assert fresh("resnet50").preprocessing.height == 224
    assert fresh("inception_v3").preprocessing.height == 299
