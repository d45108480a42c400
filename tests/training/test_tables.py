"""The tables hold the figures, whole, in a normal terminal."""

import io

import pytest
import torch
from rich.console import Console, RenderableType

from training.checkpoint import Run
from training.describe import describe
from training.models import build
from training.recipes import RECIPES
from training.tables import layers_table, metrics_report, recipes_table


def rendered(table: RenderableType, *, width: int = 100) -> str:
    """What a reader sees."""
    output = io.StringIO()
    Console(file=output, width=width).print(table)
    return output.getvalue()


def test_the_metrics_name_every_label(trained_run: Run) -> None:
    """With the interval, without which the accuracy says little."""
    metrics = trained_run.record.metrics["test"]
    text = rendered(metrics_report(metrics))
    assert f"accuracy {metrics.accuracy:.2%} (95 % interval" in text
    assert all(label in text for label in trained_run.record.labels)


@pytest.mark.parametrize("width", [80, 100])
def test_the_layers_are_not_cut_off(width: int) -> None:
    """Formula, counts and totals; in 80 columns long cells wrap but nothing is dropped."""
    text = rendered(layers_table(describe("fashion_cnn", build("fashion_cnn"))), width=width)
    assert "…" not in text
    assert "29,034" in text
    assert "2,838,080" in text
    assert "W_out = (W - F + 2P)/S + 1" in text


def test_no_layer_of_densenet_is_cut_off() -> None:
    """Their names are long and differ at their ends; what is concatenated is summed up."""
    with torch.device("meta"):
        description = describe("densenet121", build("densenet121"))
    text = rendered(layers_table(description), width=120)
    assert "…" not in text
    assert "64 + 5 * 32 = 224" in " ".join(text.split())


def test_each_recipe_has_a_row() -> None:
    """With its model and its epochs."""
    text = rendered(recipes_table((recipe(), recipe.__doc__ or "") for recipe in RECIPES.values()))
    assert all(name in text for name in RECIPES)
