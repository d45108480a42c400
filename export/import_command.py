"""The command `recognition-export import`: anyone's model becomes a package. Only parses, calls and prints."""

from pathlib import Path
from typing import Annotated

import typer

from export.options import MODELS, AsJson, Key, MaxLoss, Precisions, Repository, print_json, read_precisions


def import_command(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="ONNX file (opset 7 or higher, NCHW float32 input), or weights.")
    ],
    labels: Annotated[str, typer.Option(metavar="FILE", help="One label a line, or a JSON list; or: imagenet.")],
    images: Annotated[Path, typer.Option(metavar="DIR", help="Pictures for golden samples; DIR/label/*.jpg is best.")],
    preprocessing: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="imagenet, unit (pixels in [0, 1]), or a JSON file with mean and std."),
    ] = None,
    to: Repository = MODELS,
    name: Annotated[str | None, typer.Option(help="Name of the model. Default: that of the file.")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "unknown",
    precisions: Precisions = "fp32",
    calibration: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pictures that choose the ranges of int8. Default: --images.")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(metavar="NAME", help="For .safetensors and .pth: whose weights, for example resnet50.")
    ] = None,
    convention: Annotated[
        str, typer.Option(metavar="torchvision|caffe-v1|half", help="How those weights were made.")
    ] = "torchvision",
    max_accuracy_loss: MaxLoss = 0.5,
    signing_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Makes a package of anyone's ONNX classifier or weights, proved against plain ONNX Runtime or torch."""
    from export.card import variant_lines
    from export.destination import destination
    from export.importing import Wish, import_model
    from export.signing import SigningKey

    wish = Wish(
        model=model,
        labels=labels,
        preprocessing=preprocessing,
        images=images,
        name=name or model.stem,
        licence=licence,
        calibration=calibration,
        architecture=architecture,
        convention=convention,
        precisions=read_precisions(precisions),
        max_accuracy_loss=max_accuracy_loss,
    )
    sign = None if signing_key is None else SigningKey.read(signing_key).sign
    with destination(to) as repository:
        package = import_model(wish, repository, sign=sign)
        place = repository.place(package.manifest.name, package.manifest.version)
    manifest = package.manifest
    if as_json:
        print_json({"path": place, "digest": package.digest, "manifest": manifest.model_dump(mode="json")})
        return
    for line in variant_lines(manifest):
        typer.echo(line, err=True)
    typer.echo(f"published {manifest.name} version {manifest.version}: {place}")
