"""The command `recognition-export import`: anyone's model becomes a package. Only parses, calls and prints."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from export.options import (
    MODELS,
    Architecture,
    AsJson,
    CalibrationImages,
    Convention,
    HowPrepared,
    Images,
    Key,
    Labels,
    Licence,
    MaxLoss,
    Model,
    ModelName,
    Precisions,
    Repository,
    print_json,
    read_precisions,
)

if TYPE_CHECKING:
    from export.wish import Wish


def import_command(
    model: Model,
    labels: Labels,
    images: Images,
    preprocessing: HowPrepared = None,
    to: Repository = MODELS,
    name: ModelName = None,
    licence: Licence = "unknown",
    precisions: Precisions = "fp32",
    calibration: CalibrationImages = None,
    architecture: Architecture = None,
    convention: Convention = "torchvision",
    max_accuracy_loss: MaxLoss = 0.5,
    signing_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Makes a package of anyone's ONNX classifier or weights, proved against plain ONNX Runtime or torch."""
    from export.wish import Wish

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
    _import(wish, to, signing_key, as_json=as_json)


def _import(wish: "Wish", to: str, signing_key: Path | None, *, as_json: bool) -> None:
    from export.card import variant_lines
    from export.destination import destination
    from export.importing import import_model
    from export.signing import SigningKey

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
