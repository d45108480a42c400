"""Metrics, layers and recipes as tables for people."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from training.config import Recipe
from training.metrics import Metrics
from training.quality import Quality, averages

if TYPE_CHECKING:  # imports torch, which the list of recipes does without
    from training.describe import Description


def metrics_report(metrics: Metrics, quality: Quality | None = None) -> Group:
    """Accuracy with its interval, macro-F1 and calibration error, then each label."""
    low, high = metrics.accuracy_interval
    summary = Text(
        f"{metrics.split}: accuracy {metrics.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%}), "
        f"macro-F1 {metrics.macro_f1:.2%}, calibration error {metrics.ece:.2%}, {metrics.images:,} images"
    )
    if quality is not None:
        top5 = "" if quality.top5 is None else f"top-5 {quality.top5:.2%}, "
        summary.append(
            f"\n{top5}weighted F1 {quality.weighted_f1:.2%}, "
            f"calibration error {quality.ece_after:.2%} with temperature {quality.temperature:.3f}"
        )
    table = Table(box=None, pad_edge=False)
    table.add_column("label")
    for name in ("precision", "recall", "F1", "images"):
        table.add_column(name, justify="right")
    for row in (*metrics.per_label, *averages(metrics)):
        ratios = (f"{ratio:.2%}" for ratio in (row.precision, row.recall, row.f1))
        table.add_row(row.label, *ratios, f"{row.support:,}")
    return Group(summary, table)


def layers_table(description: "Description") -> Table:
    """One row for each layer, totals below; sizes follow W_out = (W - F + 2P)/S + 1."""
    aside = f"\nof the parameters {description.auxiliary:,} are in auxiliary heads, which inference does not use"
    table = Table(
        title=f"{description.name}, input {_size(description.input)}",
        caption="output size: W_out = (W - F + 2P)/S + 1; sees: receptive field in pixels of the picture; "
        f"MACs: multiply-accumulates for one picture{aside if description.auxiliary else ''}",
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
        show_footer=True,
    )
    table.add_column("layer", footer="total", overflow="fold")  # DenseNet's names are long, and differ at their ends
    table.add_column("kind", overflow="fold")
    table.add_column("output", overflow="fold")
    table.add_column("formula", overflow="fold")
    table.add_column("sees", justify="right", overflow="fold")
    table.add_column("parameters", justify="right", footer=f"{description.parameters:,}", overflow="fold")
    table.add_column("MACs", justify="right", footer=f"{description.macs:,}", overflow="fold")
    for layer in description.layers:
        counts = (f"{count:,}" if count else "" for count in (layer.parameters, layer.macs))
        formula = f"{layer.formula}\n{layer.note}".rstrip()
        table.add_row(layer.name, layer.kind, _size(layer.output), formula, _size(layer.receptive_field), *counts)
    return table


def recipes_table(recipes: Iterable[tuple[Recipe, str]]) -> Table:
    """Each recipe with what it is for."""
    table = Table(box=None, pad_edge=False)
    for name in ("recipe", "model", "data", "epochs", "about"):
        table.add_column(name)
    for recipe, about in recipes:
        table.add_row(recipe.name, recipe.model.name, recipe.data.name, str(recipe.epochs), about)
    return table


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape)
