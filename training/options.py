"""What the commands share: their options, the device that was asked for, and how they print. Imports no torch."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.errors import RecipeInvalid

if TYPE_CHECKING:
    from rich.console import Console

    from training.config import Balance


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class PrecisionChoice(StrEnum):
    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Directory (or manifest) of the data set. Default: known places, else a download."
    ),
]
SeedOption = Annotated[
    int, typer.Option(min=0, max=2**63 - 1, help="Fresh weights, order and augmentation follow from it.")
]
ConventionOption = Annotated[
    str, typer.Option(metavar="torchvision|caffe-v1|half", help="How the weights of FILE were made.")
]
DeviceOption = Annotated[Device, typer.Option(help="auto takes a GPU where there is one.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="CPU threads. Default: as many as there are cores.")]
SaveOption = Annotated[
    float, typer.Option("--save-every", metavar="SECONDS", min=0.0, help="How often the resume file is written.")
]
PrecisionOption = Annotated[
    PrecisionChoice,
    typer.Option(help="Arithmetic of the layers; auto takes what is faster, on a CPU by a short trial."),
]
GraphOption = Annotated[
    bool, typer.Option("--graph/--no-graph", help="On a GPU: record a step and send it as a whole, as a CUDA graph.")
]
EventsOption = Annotated[
    bool, typer.Option("--tensorboard", help="Write events/ for TensorBoard too (extra `tensorboard`).")
]
BalanceOption = Annotated[str | None, typer.Option(metavar="loss|sampler|none", help="For classes of unequal size.")]
PatienceOption = Annotated[
    int | None, typer.Option(min=1, help="Stop after so many epochs without a better one; keep the best.")
]
ModelArgument = Annotated[
    str | None, typer.Argument(metavar="[MODEL]", help="A model's name; with --from-run it follows from the run.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Train anew over whatever run is in the directory.")]
ScratchOption = Annotated[
    bool, typer.Option("--scratch", help="Fresh weights, the rest alike: shows what the transfer is worth.")
]
GreyOption = Annotated[
    bool, typer.Option("--grey", help="Grey pictures: the first layer's kernels are summed over red, green and blue.")
]
RateOption = Annotated[
    float | None,
    typer.Option(metavar="RATE", min=1e-6, help="Highest of the schedule, instead of the recipe's."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


def report_run(run: Any, *, as_json: bool) -> None:
    from training.tables import metrics_report
    from training.typed_json import encode

    record = run.record
    if as_json:
        print_json({"run": str(run.directory), "digest": run.digest, **encode(record)})
        return
    console = console_for()
    console.print(metrics_report(record.metrics["test"]))
    console.print(
        f"{record.epochs} epochs in {record.train_seconds:.0f} s ({record.cpu_seconds:.0f} s of processor time, "
        f"{record.hardware.precision}), {record.parameters:,} parameters -> {run.directory}",
        highlight=False,
        soft_wrap=True,
    )


def choose(device: Device, threads: int | None) -> Any:
    import torch

    from training.device import choose_device

    if threads is not None:
        torch.set_num_threads(threads)
    return choose_device(device.value)


def balance_of(asked: str | None, otherwise: "Balance") -> "Balance":
    from training.config import BALANCES

    if asked is None:
        return otherwise
    for known in BALANCES:
        if known == asked:
            return known
    raise RecipeInvalid(f"--balance {asked}: choose one of {', '.join(BALANCES)}")


def precision_of(choice: PrecisionChoice) -> Any:
    """None leaves it to `training.fit`."""
    from training.device import Precision

    return None if choice is PrecisionChoice.AUTO else Precision(choice.value)


def console_for(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=120)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
