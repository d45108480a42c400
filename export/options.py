"""The options that several commands share."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from service.models.manifest import Precision

Repository = Annotated[
    str,
    typer.Option("--to", metavar="DIR|URL", help="The model repository: a directory, or a URL as s3://bucket/models."),
]
Key = Annotated[
    Path | None, typer.Option("--signing-key", metavar="FILE", help="Sign with this Ed25519 key (PEM); see keygen.")
]
Precisions = Annotated[
    str, typer.Option(metavar="LIST", help="Of fp32, fp16, int8, with commas between; fp32 is always made.")
]
MaxLoss = Annotated[float, typer.Option(min=0, metavar="POINTS", help="A variant that loses more is left out.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")]
Version = Annotated[int, typer.Argument(metavar="VERSION", min=1)]
MODELS = "var/models"


def read_precisions(text: str) -> tuple["Precision", ...]:
    """fp32 and those named. Wrong use for any other word."""
    from service.models.variant import Precision

    known = {str(precision): precision for precision in Precision if precision is not Precision.BF16}  # has no graph
    named = {known.get(word.strip()) for word in text.split(",")}
    if None in named:
        raise typer.BadParameter(
            f"{text!r}: name any of {', '.join(known)}, with commas between", param_hint="--precisions"
        )
    return tuple(precision for precision in Precision if precision in named | {Precision.FP32})


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
