"""What comes with somebody else's model: its labels, how pictures become its input, and pictures to prove it with."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from export.errors import ImportInvalid
from export.graph import INPUT
from export.served import prepare_image
from export.verify import Pixels
from service.errors import ServiceError
from service.models.manifest import InputSpec

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"})
MOST_SAMPLES = 64
USUAL_SIDE = 224
IMAGENET = "imagenet"
IMAGENET_VALUES = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenImages:
    """Encoded images with the index of their label, where each lies in a folder named after it."""

    files: tuple[bytes, ...]
    labels: npt.NDArray[np.int64] | None


def read_labels(given: str, count: int) -> tuple[str, ...]:
    """`imagenet`, or a file with a JSON list or one label a line; a name that comes again is told by its number."""
    path = Path(given)
    try:
        text = "" if given == IMAGENET else path.read_text(encoding="utf-8-sig")
        listed = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
        found = imagenet_labels() if given == IMAGENET else listed
    except (OSError, ValueError) as error:
        raise ImportInvalid(f"the labels {path} cannot be read as lines of text or a JSON list: {error}") from error
    if not all(isinstance(label, str | int) and not isinstance(label, bool) for label in found):
        raise ImportInvalid(f"{path} must hold a JSON list of texts, one for each label, and nothing else")
    labels = [str(label).strip() for label in found]
    while labels and not labels[-1]:
        labels.pop()
    if len(labels) != count or not all(labels):
        raise ImportInvalid(
            f"{path} has {sum(map(bool, labels))} labels and the model gives {count} numbers; each needs its label"
        )
    return tuple(
        label if labels.count(label) == 1 else f"{label} ({labels[: index + 1].count(label)})"
        for index, label in enumerate(labels)
    )


def imagenet_labels() -> list[str]:
    """The names of the 1,000 classes as torchvision has them, in the order of every ImageNet classifier."""
    from torchvision.models import ResNet50_Weights

    return list(ResNet50_Weights.DEFAULT.meta["categories"])


def read_preprocessing(given: str, *, channels: int, height: int, width: int) -> InputSpec:
    """`imagenet`, `unit` (pixels in [0, 1]), or a JSON file with the fields of the manifest's `input`.

    A height or width of 0 stands for a model that takes any: the file says which, else it is 224.
    """
    size: dict[str, object] = {
        "height": height or USUAL_SIDE,
        "width": width or USUAL_SIDE,
        "pixel_format": "rgb8" if channels == 3 else "gray8",
    }
    if given == IMAGENET:
        longest = max(height or USUAL_SIDE, width or USUAL_SIDE)
        fields = {**size, **IMAGENET_VALUES, "resize": "shorter_side", "resize_to": round(longest * 256 / 224)}
    elif given == "unit":
        fields = {**size, "mean": (0.0,) * channels, "std": (1.0,) * channels}
    else:
        fields = {**size, **_fields_of(Path(given))}
    try:
        spec = InputSpec.model_validate({**fields, "tensor": INPUT})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "preprocessing"
        raise ImportInvalid(f"preprocessing {given}: {where}: {first['msg']}") from error
    if (spec.height, spec.width, spec.channels) != (height or spec.height, width or spec.width, channels):
        raise ImportInvalid(
            f"preprocessing {given} gives {spec.height} x {spec.width} x {spec.channels}, the model takes "
            f"{height} x {width} x {channels}"
        )
    return spec


def _fields_of(path: Path) -> dict[str, object]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ImportInvalid(f"--preprocessing takes imagenet, unit or a JSON file; {path}: {error}") from error
    if not isinstance(fields, dict):
        raise ImportInvalid(
            f"{path} must hold a JSON object with mean and std, and what else `input` of a manifest has"
        )
    return fields


def read_images(directory: Path, names: tuple[str, ...], *, most: int = MOST_SAMPLES) -> GivenImages:
    """At most so many, evenly spread. Where all lie in folders named like labels, these are their labels."""
    paths = sorted(path for path in directory.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise ImportInvalid(f"{directory} holds no image; the golden samples are made from those given with --images")
    if len(paths) > most:
        paths = [paths[int(place)] for place in np.linspace(0, len(paths) - 1, most).round()]
    known = {name: index for index, name in enumerate(names)}
    indices = [known.get(path.parent.name) for path in paths]
    labelled = [index for index in indices if index is not None]
    return GivenImages(
        files=tuple(path.read_bytes() for path in paths),
        labels=np.array(labelled, dtype=np.int64) if len(labelled) == len(paths) else None,
    )


def prepared(given: GivenImages, spec: InputSpec, directory: Path) -> Pixels:
    """As the service prepares them, (N, H, W, C). Raises ImportInvalid for a file that it would refuse."""
    try:
        return np.stack([prepare_image(file, spec) for file in given.files])
    except ServiceError as error:
        raise ImportInvalid(f"{directory} holds an image that the service would refuse: {error.sentence}") from error
