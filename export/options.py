"""The options that several commands share."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from service.models.manifest import Precision


def _finite(points: float) -> float:
    if not math.isfinite(points):
        raise typer.BadParameter(f"{points} is not a number of points")
    return points


Repository = Annotated[
    str,
    typer.Option("--to", metavar="DIR|URL", help="The model repository: a directory, or a URL as s3://bucket/models."),
]
Key = Annotated[
    Path | None, typer.Option("--signing-key", metavar="FILE", help="Sign with this Ed25519 key (PEM); see keygen.")
]
Precisions = Annotated[
    str,
    typer.Option("--precisions", metavar="LIST", help="Of fp32, fp16, int8, with commas between; fp32 is always made."),
]
MaxLoss = Annotated[
    float,
    typer.Option(
        "--max-accuracy-loss",
        min=0,
        callback=_finite,
        metavar="POINTS",
        help="A variant that loses more is left out.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")]
Version = Annotated[int, typer.Argument(metavar="VERSION", min=1)]
Named = Annotated[str, typer.Argument(metavar="VERSION|ALIAS", help="The number of a version, or an alias of it.")]
RunDirectory = Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a finished run.")]
RunName = Annotated[str | None, typer.Option("--name", help="Name of the model. Default: the run's family.")]
RunData = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Directory of the run's data set. Default: the known places, else a download."
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Publish a new version even if the newest is the same.")]
Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="ONNX file (opset 7 or higher, float32 input), or weights.")
]
Labels = Annotated[
    str, typer.Option("--labels", metavar="FILE", help="One label a line, or a JSON list; or: imagenet.")
]
Images = Annotated[
    Path, typer.Option("--images", metavar="DIR", help="Pictures for golden samples; DIR/label/*.jpg is best.")
]
HowPrepared = Annotated[
    str | None,
    typer.Option(
        "--preprocessing", metavar="NAME", help="imagenet, unit (pixels in [0, 1]), or a JSON file with mean and std."
    ),
]
ModelName = Annotated[str | None, typer.Option("--name", help="Name of the model. Default: that of the file.")]
Licence = Annotated[str, typer.Option("--licence", help="Licence of the weights.")]
CalibrationImages = Annotated[
    Path | None,
    typer.Option("--calibration", metavar="DIR", help="Pictures that choose the ranges of int8. Default: --images."),
]
Architecture = Annotated[
    str | None,
    typer.Option(
        "--architecture", metavar="NAME", help="For .safetensors and .pth: whose weights, for example resnet50."
    ),
]
Convention = Annotated[
    str, typer.Option("--convention", metavar="torchvision|caffe-v1|half", help="How those weights were made.")
]
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
