"""Two versions side by side: their figures, their size, what the manifests say, and how often their answers agree.

The answers are compared on the validation split where its data are at hand, else on the golden samples of both.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.errors import DataUnusable
from export.served import prepare_image
from export.verify import Pixels, load_session, logits_of
from service.models.golden import GoldenSamples
from service.models.manifest import GOLDEN_FILE, InputSpec, Precision
from service.models.repository import Package
from training.config import Preprocessing
from training.data import load, split
from training.data.search import find
from training.typed_json import decode

FOUND_BY_ITSELF = "fashion-mnist"
"""The data set that has known places; of others, --data names the directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDifference:
    """What the second version has that the first has not; accuracies are those of float32."""

    name: str
    versions: tuple[int, int]
    accuracies: tuple[float, float]
    macro_f1: tuple[float, float]
    ece: tuple[float, float]
    size_bytes: tuple[int, int]
    agreement: float
    """Share of the compared images that both give the same label."""
    compared_images: int
    compared_on: str
    changed: tuple[str, ...]
    """Fields of the manifest that are not the same."""


def difference(first: Package, second: Package, *, data_directory: Path | None = None) -> VersionDifference:
    """Raises DataUnusable where a directory is given that does not hold the data of both."""
    packages, before, after = (first, second), first.manifest, second.manifest
    compared_on, images = _compared(packages, data_directory)
    answers = [_answers(package, pixels) for package, pixels in zip(packages, images, strict=True)]
    metrics = [manifest.variants[Precision.FP32].metrics for manifest in (before, after)]
    fields = [manifest.model_dump(exclude={"version", "created", "files"}) for manifest in (before, after)]
    sizes = [sum(record.size_bytes for record in manifest.files.values()) for manifest in (before, after)]
    return VersionDifference(
        name=before.name,
        versions=(before.version, after.version),
        accuracies=(metrics[0].accuracy, metrics[1].accuracy),
        macro_f1=(metrics[0].macro_f1, metrics[1].macro_f1),
        ece=(metrics[0].ece, metrics[1].ece),
        size_bytes=(sizes[0], sizes[1]),
        agreement=float(np.mean([one == other for one, other in zip(*answers, strict=True)])),
        compared_images=len(answers[0]),
        compared_on=compared_on,
        changed=tuple(key for key in fields[0] if fields[0][key] != fields[1][key]),
    )


def _compared(packages: tuple[Package, Package], directory: Path | None) -> tuple[str, list[Pixels]]:
    """The same images as each package wants them, and what they are."""
    data = packages[0].manifest.data
    splits = [
        (found.name, found.sha256, found.split_seed, found.validation_share)
        for found in (package.manifest.data for package in packages)
    ]
    known = splits[0] == splits[1] and data.validation_share is not None
    if directory is not None and not known:
        raise DataUnusable("the versions were not trained on the same split of the same data; leave --data out")
    if known and (directory is not None or (data.name == FOUND_BY_ITSELF and find(None) is not None)):
        return "the validation split", [_validation(package, directory) for package in packages]
    images = list(dict.fromkeys(image for package in packages for image in _golden(package).images))
    return "the golden samples of both", [
        np.stack([prepare_image(image, package.manifest.input) for image in images]) for package in packages
    ]


def _validation(package: Package, directory: Path | None) -> Pixels:
    data = package.manifest.data
    dataset = load(data.name, directory, _preprocessing(package.manifest.input))
    if dataset.sha256 != data.sha256:
        raise DataUnusable(
            f"{dataset.directory} has digest {dataset.sha256}; the versions were trained on {data.sha256}"
        )
    return split(dataset, seed=data.split_seed or 0, validation_share=data.validation_share or 0).validation.pixels


def _preprocessing(spec: InputSpec) -> Preprocessing:
    """The manifest's words for what training calls by the same ones."""
    return decode(Preprocessing, spec.model_dump(mode="json", exclude={"tensor"}))


def _golden(package: Package) -> GoldenSamples:
    return GoldenSamples.from_bytes(package.read(GOLDEN_FILE))


def _answers(package: Package, pixels: Pixels) -> list[str]:
    manifest = package.manifest
    session = load_session(package.read(manifest.variants[Precision.FP32].file), manifest.outputs)
    return [manifest.labels[index] for index in logits_of(session, pixels).argmax(axis=1)]
