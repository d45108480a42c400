"""The command `recognition-train finetune`: which weights, which pictures, how far to train on."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.errors import RecipeInvalid
from training.options import (
    DataOption,
    Device,
    DeviceOption,
    ForceOption,
    GraphOption,
    GreyOption,
    JsonOption,
    RateOption,
    SaveOption,
    ScratchOption,
    ThreadsOption,
    choose,
)
from training.reported_run import report_training

if TYPE_CHECKING:
    from training.config import Recipe
    from training.weights import Weights


def finetune(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="A model's name; with --from-run it follows from the run.")
    ] = None,
    data: DataOption = None,
    dataset: Annotated[str, typer.Option(help="Name of the data set; folder is DIR/class/*.jpg.")] = "folder",
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="A file of weights; else torchvision's.")] = None,
    convention: Annotated[
        str, typer.Option(metavar="torchvision|caffe-v1|half", help="How the weights of FILE were made.")
    ] = "torchvision",
    scratch: ScratchOption = False,
    from_run: Annotated[Path | None, typer.Option(metavar="RUN", help="Weights of one of your runs.")] = None,
    grey: GreyOption = False,
    epochs: Annotated[int, typer.Option(min=0, help="After the head; 0 trains the head alone.")] = 0,
    learning_rate: RateOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Train on so many images only.")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run directory. Default: var/runs/finetune_MODEL-seedSEED.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Head, order and augmentation follow from it.")] = 0,
    save_every: SaveOption = 60.0,
    graph: GraphOption = True,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Takes over a backbone, trains a new head on its features, then frees stage after stage from the head down."""
    if scratch and not epochs:
        raise RecipeInvalid("--scratch has no head to train apart; say for how many epochs with --epochs N")
    on = choose(device, threads)
    chosen = _weights(model, weights, convention, from_run, scratch=scratch, grey=grey)
    recipe = _recipe(chosen, dataset, limit, epochs=epochs, learning_rate=learning_rate, scratch=scratch)
    place = output or Path("var") / "runs" / f"{recipe.name}-seed{seed}"
    from training.fit import fit

    report_training(
        lambda own, group, progress: fit(
            recipe, seed=seed, output=place, data_directory=data, device=own, progress=progress, force=force,
            weights=None if scratch else chosen, save_every_seconds=save_every, group=group, graph=graph,
        ),
        on,
        as_json=as_json,
    )  # fmt: skip


def _recipe(
    weights: "Weights", dataset: str, limit: int | None, *, epochs: int, learning_rate: float | None, scratch: bool
) -> "Recipe":
    from training.config import DataConfig
    from training.finetune import finetune_recipe, scratch_recipe

    make = scratch_recipe if scratch else finetune_recipe
    recipe = make(weights, data=DataConfig(name=dataset, limit=limit), classes=2, epochs=epochs)
    rate = learning_rate or recipe.optimization.learning_rate
    return replace(recipe, optimization=replace(recipe.optimization, learning_rate=rate))


def _weights(
    model: str | None, file: Path | None, convention: str, run: Path | None, *, scratch: bool, grey: bool
) -> "Weights":
    from training.weights import for_grey

    if run is None:
        found = _imagenet_weights(model, file, convention, scratch=scratch)
        return for_grey(found) if grey else found
    if grey:
        raise RecipeInvalid("--grey is for weights of coloured pictures; those of --from-run take what the run took")
    from training.weights import from_run

    return from_run(run)


def _imagenet_weights(model: str | None, file: Path | None, convention: str, *, scratch: bool) -> "Weights":
    from training.weights import MEANS, fresh, from_file, from_torchvision

    if model is None:
        raise RecipeInvalid("name a MODEL, or a run with --from-run")
    if file is None:
        return fresh(model) if scratch else from_torchvision(model)
    for known in MEANS:
        if known == convention:
            return from_file(file, model, known)
    raise RecipeInvalid(f"--convention {convention}: choose one of {', '.join(MEANS)}")
