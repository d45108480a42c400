"""The command `recognition-train finetune`: which weights, which pictures, how far to train on."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.errors import RecipeInvalid
from training.options import (
    BalanceOption,
    ConventionOption,
    DataOption,
    Device,
    DeviceOption,
    EventsOption,
    ForceOption,
    GraphOption,
    GreyOption,
    JsonOption,
    ModelArgument,
    PatienceOption,
    PrecisionChoice,
    PrecisionOption,
    RateOption,
    SaveOption,
    ScratchOption,
    SeedOption,
    ThreadsOption,
    balance_of,
    choose,
    precision_of,
)
from training.reported_run import report_training

if TYPE_CHECKING:
    from training.config import DataConfig, Recipe
    from training.weights import Weights


def finetune(
    model: ModelArgument = None,
    data: DataOption = None,
    dataset: Annotated[str, typer.Option(help="Name of the data set; folder is DIR/class/*.jpg.")] = "folder",
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="A file of weights; else torchvision's.")] = None,
    convention: ConventionOption = "torchvision",
    scratch: ScratchOption = False,
    from_run: Annotated[Path | None, typer.Option(metavar="RUN", help="Weights of one of your runs.")] = None,
    grey: GreyOption = False,
    epochs: Annotated[int, typer.Option(min=0, help="After the head; 0 trains the head alone.")] = 0,
    learning_rate: RateOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Train on so many images only.")] = None,
    balance: BalanceOption = None,
    patience: PatienceOption = None,
    precision: PrecisionOption = PrecisionChoice.AUTO,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run directory. Default: var/runs/finetune_MODEL-seedSEED.")
    ] = None,
    seed: SeedOption = 0,
    save_every: SaveOption = 60.0,
    tensorboard: EventsOption = False,
    graph: GraphOption = True,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Takes over a backbone, trains a new head on its features, then frees stage after stage from the head down."""
    if scratch and not epochs:
        raise RecipeInvalid("--scratch has no head to train apart; say for how many epochs with --epochs N")
    source = _source(dataset, limit, balance)
    chosen = _weights(model, weights, convention, from_run, scratch=scratch, grey=grey)
    recipe = _recipe(chosen, source, epochs, learning_rate, patience, scratch=scratch)
    place = output or Path("var") / "runs" / f"{recipe.name}-seed{seed}"
    from training.fit import fit

    report_training(
        lambda own, group, progress: fit(
            recipe, seed=seed, output=place, data_directory=data, device=own, progress=progress, force=force,
            weights=None if scratch else chosen, save_every_seconds=save_every, group=group, graph=graph,
            precision=precision_of(precision), events=tensorboard,
        ),
        choose(device, threads),
        as_json=as_json,
    )  # fmt: skip


def _source(name: str, limit: int | None, balance: str | None) -> "DataConfig":
    from training.config import DataConfig

    return DataConfig(name=name, limit=limit, balance=balance_of(balance, "none"))


def _recipe(
    weights: "Weights", data: "DataConfig", epochs: int, learning_rate: float | None, patience: int | None, *,
    scratch: bool,
) -> "Recipe":  # fmt: skip
    from training.finetune import finetune_recipe, scratch_recipe

    make = scratch_recipe if scratch else finetune_recipe
    recipe = make(weights, data=data, classes=2, epochs=epochs)
    rate = learning_rate or recipe.optimization.learning_rate
    optimization = replace(recipe.optimization, learning_rate=rate)
    return replace(recipe, optimization=optimization, patience=patience)


def _weights(
    model: str | None, file: Path | None, convention: str, run: Path | None, *, scratch: bool, grey: bool
) -> "Weights":
    """Raises RecipeInvalid for options that say different things."""
    if run is not None and file is not None:
        raise RecipeInvalid("--weights and --from-run are two sources of weights; name one of them")
    if run is not None and grey:
        raise RecipeInvalid("--grey is for weights of coloured pictures; those of --from-run take what the run took")
    if file is None and convention != "torchvision":
        raise RecipeInvalid(
            f"--convention {convention} says how the weights of a file were made; name it with --weights"
        )
    from training.weights import for_grey, from_run

    if run is None:
        found = _imagenet_weights(model, file, convention, scratch=scratch)
        return for_grey(found) if grey else found
    lent = from_run(run)
    if model not in (None, lent.model):
        raise RecipeInvalid(f"{run} is a run of {lent.model}, not of {model}; leave MODEL out")
    return lent


def _imagenet_weights(model: str | None, file: Path | None, convention: str, *, scratch: bool) -> "Weights":
    from training.models import check_name
    from training.weights import MEANS, fresh, from_file, from_torchvision

    if model is None:
        raise RecipeInvalid("name a MODEL, or a run with --from-run")
    check_name(model)
    if file is None:
        return fresh(model) if scratch else from_torchvision(model)
    for known in MEANS:
        if known == convention:
            return from_file(file, model, known)
    raise RecipeInvalid(f"--convention {convention}: choose one of {', '.join(MEANS)}")
