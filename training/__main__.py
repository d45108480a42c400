"""The command recognition-train: fit, evaluate, describe, recipes, data. Only parses, calls and prints."""

import json
import os
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.errors import TrainingError

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    help="Trains the models of the course and says what they reach.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Directory of the data set. Default: the known places, else a download."
    ),
]
DeviceOption = Annotated[Device, typer.Option(help="auto takes a GPU where there is one.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="CPU threads. Default: as many as there are cores.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


@app.command(
    short_help="Trains RECIPE and tests it.",
    epilog="Example: recognition-train fit fashion_cnn --seed 1 --output var/runs/second",
)
def fit(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A name from `recognition-train recipes`.")],
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run directory. Default: var/runs/RECIPE-seedSEED.")
    ] = None,
    data: DataOption = None,
    dataset: Annotated[str | None, typer.Option(help="Another data set than the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Weights, order and augmentation follow from it.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Trial: train on so many images only.")] = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    force: Annotated[bool, typer.Option("--force", help="Train anew over whatever run is in the directory.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Trains RECIPE, tests it once on the test images and leaves a run directory.

    A run that is already there, finished, with the same recipe, seed and data, is left as it is.
    """
    from training.recipes import find_recipe

    chosen = find_recipe(recipe)
    from training.fit import fit as fit_recipe  # brings torch, so a wrong name is answered before
    from training.progress import FitProgress

    chosen = replace(
        chosen,
        epochs=epochs or chosen.epochs,
        data=replace(chosen.data, name=dataset or chosen.data.name, limit=limit),
    )
    notes = _console(stderr=True)
    with FitProgress(notes) as progress:
        outcome = fit_recipe(
            chosen,
            seed=seed,
            output=output or Path("var") / "runs" / f"{recipe}-seed{seed}",
            data_directory=data,
            device=_device(device, threads),
            progress=progress,
            force=force,
        )
    run = outcome.run
    if not outcome.trained:
        notes.print(f"{run.directory} holds this run already; --force trains it anew", soft_wrap=True)
    _report_run(run, as_json=as_json)


@app.command(
    short_help="Tests a finished run anew.", epilog="Example: recognition-train evaluate var/runs/fashion_cnn-seed0"
)
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a finished run.")],
    data: DataOption = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predicts the test images anew from the weights of RUN and prints what they reach."""
    from training.checkpoint import Run
    from training.evaluate import predict
    from training.tables import metrics_report
    from training.typed_json import encode

    chosen = _device(device, threads)
    loaded = Run.load(run)
    splits = loaded.load_splits(data)
    predictions = predict(loaded.build_model().to(chosen), splits.test, loaded.record.preprocessing)
    metrics = predictions.metrics(names=loaded.record.labels, split="test")
    if as_json:
        _print_json({"run": str(run), "digest": loaded.digest, "metrics": encode(metrics)})
    else:
        _console().print(metrics_report(metrics))


@app.command(
    short_help="Prints the layers of MODEL.", epilog="Example: recognition-train describe alexnet --input 3x224x224"
)
def describe(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name, such as fashion_cnn.")],
    shape: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="CxHxW", help="Shape of the pictures, such as 3x224x224. Default: the model's."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Prints the layers of MODEL: output size with its formula, receptive field, parameters, multiply-accumulates."""
    from training.describe import build_for, parse_shape
    from training.describe import describe as describe_model
    from training.tables import layers_table
    from training.typed_json import encode

    description = describe_model(model, build_for(model, parse_shape(shape)))
    if as_json:
        _print_json(encode(description))
    else:
        _console().print(layers_table(description))


@app.command(epilog="Example: recognition-train recipes --json")
def recipes(as_json: JsonOption = False) -> None:
    """Lists the recipes that `fit` knows."""
    from training.recipes import RECIPES
    from training.typed_json import encode

    if as_json:
        _print_json({name: encode(recipe()) for name, recipe in RECIPES.items()})
        return
    from training.tables import recipes_table

    _console().print(recipes_table((recipe(), recipe.__doc__ or "") for recipe in RECIPES.values()))


@app.command(
    short_help="Finds the data set, or fetches it.",
    epilog="Example: recognition-train data --data ~/datasets/fashion-mnist",
)
def data(
    data: DataOption = None,
    dataset: Annotated[str, typer.Option(help="Name of the data set.")] = "fashion-mnist",
    as_json: JsonOption = False,
) -> None:
    """Finds the data set, or fetches it, checks it by SHA-256 and says where it is."""
    from training.data import load

    found = load(dataset, data)
    if as_json:
        sizes = {"train": len(found.train), "test": len(found.test)}
        _print_json({"name": found.name, "directory": str(found.directory), "sha256": found.sha256, "images": sizes})
    else:
        sizes_text = f"{len(found.train):,} training and {len(found.test):,} test images"
        typer.echo(f"{found.name}: {found.directory} ({sizes_text}, checked)")


def _report_run(run: Any, *, as_json: bool) -> None:
    from training.tables import metrics_report
    from training.typed_json import encode

    record = run.record
    if as_json:
        _print_json({"run": str(run.directory), "digest": run.digest, **encode(record)})
        return
    console = _console()
    console.print(metrics_report(record.metrics["test"]))
    console.print(
        f"{record.epochs} epochs in {record.train_seconds:.0f} s, {record.parameters:,} parameters -> {run.directory}",
        highlight=False,
        soft_wrap=True,
    )


def _device(device: Device, threads: int | None) -> Any:
    import torch

    from training.device import choose_device

    if threads is not None:
        torch.set_num_threads(threads)
    return choose_device(device.value)


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=120)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def main() -> None:
    """Exit code 0 when done, 1 when it failed, 2 when it was asked wrongly."""
    # Read when torch is imported. Threads that spin while they wait cost dearly on a busy machine: an epoch took 1.7
    # times as long beside two busy processes on two cores, 5 times beside other torch processes; idle, the same.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except TrainingError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        typer.echo(f"error: {error.filename or ''}: {error.strerror or error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
