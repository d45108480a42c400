"""The command `recognition-train rate`: which learning rate a recipe could take."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.options import (
    DataOption,
    Device,
    DeviceOption,
    JsonOption,
    SeedOption,
    ThreadsOption,
    choose,
    print_json,
)

if TYPE_CHECKING:
    from training.config import Recipe
    from training.learning_rate import LearningRateCurve

SHOWN = 12
"""Points of the curve that are printed."""


def rate(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A name from `recognition-train recipes`.")],
    data: DataOption = None,
    dataset: Annotated[str | None, typer.Option(help="Another data set than the recipe's.")] = None,
    seed: SeedOption = 0,
    steps: Annotated[int, typer.Option(min=10, help="Batches, each at a higher rate than the one before.")] = 100,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Raises the learning rate batch by batch until the loss diverges; suggests the rate at which it falls fastest."""
    from training.recipes import find_recipe

    chosen = find_recipe(recipe)
    place = choose(device, threads)
    curve = _curve(
        replace(chosen, data=replace(chosen.data, name=dataset or chosen.data.name)), data, seed, steps, place
    )
    if as_json:
        print_json(
            {"suggestion": curve.suggestion, "lowest": curve.lowest, "rates": curve.rates, "losses": curve.losses}
        )
        return
    stride = max(len(curve.rates) // SHOWN, 1)
    for at, loss in list(zip(curve.rates, curve.losses, strict=True))[::stride]:
        typer.echo(f"{at:10.2g}  loss {loss:.3f}")
    typer.echo(
        f"the loss falls fastest at {curve.suggestion:.2g} and is lowest at {curve.lowest:.2g}; "
        f"the recipe takes {chosen.optimization.learning_rate:g}"
    )


def _curve(recipe: "Recipe", directory: Path | None, seed: int, steps: int, place: Any) -> "LearningRateCurve":
    from training.data import load, split
    from training.fit import build_model
    from training.learning_rate import find_learning_rate

    dataset = load(recipe.data.name, directory, recipe.preprocessing)
    recipe = recipe.for_classes(len(dataset.labels))
    model = build_model(recipe, dataset, seed).to(place)
    images = split(dataset, seed=recipe.data.split_seed, validation_share=recipe.data.validation_share).train
    return find_learning_rate(model, images, recipe, seed=seed, steps=steps)
