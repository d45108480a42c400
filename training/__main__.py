"""The command recognition-train: fit, finetune, evaluate, compare, rate, describe, recipes, data. Parses and calls."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from training.compare_command import compare
from training.errors import RunInterrupted, TrainingError
from training.evaluate_command import evaluate
from training.fit_command import fit
from training.options import (
    DataOption,
    JsonOption,
    console_for,
    print_json,
)
from training.rate_command import rate
from training.transfer_command import finetune

app = typer.Typer(
    help="Trains the models of the course and says what they reach.",
    epilog="Example: recognition-train fit fashion_cnn --seed 0",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.command(
    short_help="Trains RECIPE and tests it.",
    epilog="Example: recognition-train fit fashion_cnn --seed 1 --output var/runs/second",
)(fit)


app.command(
    short_help="Tests a finished run anew.", epilog="Example: recognition-train evaluate var/runs/fashion_cnn-seed0"
)(evaluate)
app.command(
    short_help="Trains on with weights from elsewhere.",
    epilog="Example: recognition-train finetune resnet18 --data photographs/ --epochs 5",
)(finetune)
app.command(
    short_help="Says whether one run is better than another.",
    epilog="Example: recognition-train compare var/runs/lenet5-seed0 var/runs/fashion_cnn-seed0",
)(compare)
app.command(
    short_help="Suggests a learning rate for RECIPE.",
    epilog="Example: recognition-train rate resnet20_quick --threads 1",
)(rate)


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
    classes: Annotated[int | None, typer.Option(min=2, help="Default: as many as the model was drawn for.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Prints the layers of MODEL: output size with its formula, receptive field, parameters, multiply-accumulates."""
    from training.describe import build_for, parse_shape
    from training.describe import describe as describe_model
    from training.tables import layers_table
    from training.typed_json import encode

    description = describe_model(model, build_for(model, parse_shape(shape), classes=classes))
    if as_json:
        print_json({**encode(description), "auxiliary_parameters": description.auxiliary})
    else:
        console_for().print(layers_table(description))


@app.command(epilog="Example: recognition-train recipes --json")
def recipes(as_json: JsonOption = False) -> None:
    """Lists the recipes that `fit` knows."""
    from training.recipes import RECIPES
    from training.typed_json import encode

    if as_json:
        print_json({name: encode(recipe()) for name, recipe in RECIPES.items()})
        return
    from training.tables import recipes_table

    console_for().print(recipes_table((recipe(), recipe.__doc__ or "") for recipe in RECIPES.values()))


@app.command(
    short_help="Finds the data set, or fetches it.",
    epilog="Example: recognition-train data --data ~/datasets/fashion-mnist",
)
def data(
    data: DataOption = None,
    dataset: Annotated[str, typer.Option(help="Name of the data set.")] = "fashion-mnist",
    scan: Annotated[
        bool, typer.Option("--scan", help="Look for unreadable files, duplicates, leaks, unbalanced classes.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Finds the data set, or fetches it, checks it by SHA-256 and says where it is."""
    from training.data import LISTINGS, load

    if scan or dataset in LISTINGS:
        _scan(dataset, data, as_json=as_json)
        return
    found = load(dataset, data)
    if as_json:
        sizes = {"train": len(found.train), "test": len(found.test)}
        print_json({"name": found.name, "directory": str(found.directory), "sha256": found.sha256, "images": sizes})
    else:
        sizes_text = f"{len(found.train):,} training and {len(found.test):,} test images"
        typer.echo(f"{found.name}: {found.directory} ({sizes_text}, checked)")


def _scan(dataset: str, place: Path | None, *, as_json: bool) -> None:
    from training.data import LISTINGS, list_files, load
    from training.data.scan import scan_dataset, scan_files
    from training.typed_json import encode

    in_files = dataset in LISTINGS
    found = scan_files(dataset, list_files(dataset, place)) if in_files else scan_dataset(load(dataset, place))
    if as_json:
        print_json({**encode(found), "findings": list(found.findings)})
        return
    counts = ", ".join(f"{label} {count:,}" for label, count in found.counts.items())
    typer.echo(f"{found.name}: {found.images:,} pictures ({counts})")
    for line in found.findings or ("nothing to mend",):
        typer.echo(f"  {line}")


def main() -> None:
    """Exit code 0 when done, 1 when it failed, 2 when it was asked wrongly, 130 after Ctrl-C."""
    # Read when torch is imported. Threads that spin while they wait cost dearly on a busy machine: an epoch took 1.7
    # times as long beside two busy processes on two cores, 5 times beside other torch processes; idle, the same.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except TrainingError as error:
        typer.echo(error if isinstance(error, RunInterrupted) else f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        typer.echo(f"error: {error.filename or ''}: {error.strerror or error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
