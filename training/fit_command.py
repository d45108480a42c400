"""The command `recognition-train fit`: a recipe with what the user wants otherwise."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.options import (
    BalanceOption,
    DataOption,
    Device,
    DeviceOption,
    EventsOption,
    ForceOption,
    GraphOption,
    JsonOption,
    PatienceOption,
    PrecisionChoice,
    PrecisionOption,
    RateOption,
    SaveOption,
    SeedOption,
    ThreadsOption,
    balance_of,
    choose,
    precision_of,
)
from training.reported_run import report_training

if TYPE_CHECKING:
    from training.config import Recipe


def fit(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A name from `recognition-train recipes`.")],
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run directory. Default: var/runs/RECIPE-seedSEED.")
    ] = None,
    data: DataOption = None,
    dataset: Annotated[str | None, typer.Option(help="Another data set than the recipe's.")] = None,
    seed: SeedOption = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    learning_rate: RateOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Trial: train on so many images only.")] = None,
    balance: BalanceOption = None,
    patience: PatienceOption = None,
    precision: PrecisionOption = PrecisionChoice.AUTO,
    save_every: SaveOption = 60.0,
    tensorboard: EventsOption = False,
    graph: GraphOption = True,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Trains RECIPE, tests it once on the test images and leaves a run directory.

    A run that is already there with the same recipe, seed and data is left as it is when it is finished, and gone on
    with when it was interrupted. Several GPUs: torchrun --nproc-per-node N -m training fit RECIPE.
    """
    chosen = _recipe(recipe, dataset=dataset, epochs=epochs, limit=limit, balance=balance, patience=patience)
    if learning_rate is not None:
        chosen = replace(chosen, optimization=replace(chosen.optimization, learning_rate=learning_rate))
    place = output or Path("var") / "runs" / f"{recipe}-seed{seed}"
    from training.fit import fit as fit_recipe  # brings torch, so a wrong name is answered before

    report_training(
        lambda on, group, progress: fit_recipe(
            chosen, seed=seed, output=place, data_directory=data, device=on, progress=progress, force=force,
            group=group, save_every_seconds=save_every, precision=precision_of(precision), events=tensorboard,
            graph=graph,
        ),
        choose(device, threads),
        as_json=as_json,
    )  # fmt: skip


def _recipe(
    name: str, *, dataset: str | None, epochs: int | None, limit: int | None, balance: str | None, patience: int | None
) -> "Recipe":
    """The recipe of that name with what was asked for otherwise. Raises RecipeInvalid."""
    from training.recipes import find_recipe

    recipe = find_recipe(name)
    data = replace(
        recipe.data, name=dataset or recipe.data.name, limit=limit, balance=balance_of(balance, recipe.data.balance)
    )
    return replace(recipe, epochs=epochs or recipe.epochs, patience=patience or recipe.patience, data=data)
