"""What is done to versions that are published already: naming, looking at, comparing them, and removing old ones."""

import json
import os
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.errors import NameInvalid, PublicationFailed, VersionMissing
from export.measure import prepare_image
from export.verify import load_session, logits_of
from service.models.golden import GoldenSamples
from service.models.manifest import GOLDEN_FILE, NAME_PATTERN, Precision
from service.models.repository import ALIASES_FILE, ModelRepository, Package, PackageRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSummary:
    """One version in a list; `problem` says why it cannot be served."""

    name: str
    version: int
    aliases: tuple[str, ...]
    precisions: tuple[str, ...] = ()
    accuracy: float | None = None
    size_bytes: int = 0
    digest: str = ""
    problem: str = ""


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


def open_version(root: Path, name: str, version: int) -> Package:
    """The package, every file of it checked. Raises VersionMissing or PublicationFailed."""
    repository = ModelRepository(root)
    if version not in versions_of(root, name):
        there = ", ".join(map(str, versions_of(root, name)))
        raise VersionMissing(f"{name} has no version {version}; it has {there}")
    try:
        package = repository.open(name, version)
        package.check_files()
    except PackageRefused as error:
        raise PublicationFailed(str(error)) from error
    return package


def versions_of(root: Path, name: str) -> list[int]:
    """Raises VersionMissing where there is no such model."""
    if not re.fullmatch(NAME_PATTERN, name) or not (root / name).is_dir():
        raise VersionMissing(
            f"{root} holds no model {name}; `recognition-export list --to {root}` names those there are"
        )
    return ModelRepository(root).versions(name)


def set_alias(root: Path, name: str, alias: str, version: int) -> dict[str, int]:
    """Lets the alias name the version, from now on; gives all aliases of the model. Written whole or not at all."""
    if not re.fullmatch(NAME_PATTERN, alias) or alias.isdecimal():
        raise NameInvalid(
            f"{alias!r} cannot be an alias: use letters, digits, dots, hyphens and underscores, not a number"
        )
    open_version(root, name, version)
    aliases = {**_aliases(root, name), alias: version}
    _write_whole(root / name / ALIASES_FILE, (json.dumps(aliases, indent=1, sort_keys=True) + "\n").encode())
    return aliases


def summaries(root: Path) -> list[VersionSummary]:
    """Every version of every model, damaged ones included. Raises VersionMissing where there is no repository."""
    repository = ModelRepository(root)
    try:
        names = repository.names()
    except PackageRefused as error:
        raise VersionMissing(str(error)) from error
    return [_summary(repository, root, name, version) for name in names for version in repository.versions(name)]


def _summary(repository: ModelRepository, root: Path, name: str, version: int) -> VersionSummary:
    aliases = tuple(sorted(alias for alias, number in _aliases(root, name).items() if number == version))
    if repository.is_plain(name, version):
        return VersionSummary(name=name, version=version, aliases=aliases, problem="a plain ONNX model, no package")
    try:
        package = repository.open(name, version)
        package.check_files()
    except PackageRefused as error:
        return VersionSummary(name=name, version=version, aliases=aliases, problem=str(error))
    manifest = package.manifest
    return VersionSummary(
        name=name,
        version=version,
        aliases=aliases,
        precisions=tuple(map(str, manifest.variants)),
        accuracy=manifest.variants[Precision.FP32].metrics.accuracy,
        size_bytes=sum(record.size_bytes for record in manifest.files.values()),
        digest=package.digest,
    )


def difference(root: Path, name: str, first: int, second: int) -> VersionDifference:
    """Of two versions. Their answers are compared on the golden samples of both."""
    packages = open_version(root, name, first), open_version(root, name, second)
    images = dict.fromkeys(image for package in packages for image in _golden(package).images)
    answers = [_answers(package, list(images)) for package in packages]
    before, after = (package.manifest for package in packages)
    metrics = [manifest.variants[Precision.FP32].metrics for manifest in (before, after)]
    fields = [manifest.model_dump(exclude={"version", "created", "files"}) for manifest in (before, after)]
    sizes = [sum(record.size_bytes for record in manifest.files.values()) for manifest in (before, after)]
    return VersionDifference(
        name=name,
        versions=(first, second),
        accuracies=(metrics[0].accuracy, metrics[1].accuracy),
        macro_f1=(metrics[0].macro_f1, metrics[1].macro_f1),
        ece=(metrics[0].ece, metrics[1].ece),
        size_bytes=(sizes[0], sizes[1]),
        agreement=float(np.mean([one == other for one, other in zip(*answers, strict=True)])),
        compared_images=len(images),
        compared_on="the golden samples of both",
        changed=tuple(key for key in fields[0] if fields[0][key] != fields[1][key]),
    )


def _golden(package: Package) -> GoldenSamples:
    return GoldenSamples.from_bytes(package.read(GOLDEN_FILE))


def _answers(package: Package, images: list[bytes]) -> list[str]:
    manifest = package.manifest
    session = load_session(package.read(manifest.variants[Precision.FP32].file), manifest.outputs)
    pixels = np.stack([prepare_image(image, manifest.input) for image in images])
    return [manifest.labels[index] for index in logits_of(session, pixels).argmax(axis=1)]


def prune(root: Path, name: str, *, keep: int) -> list[int]:
    """Removes all but the newest `keep` versions and those that an alias names; gives the numbers that are gone."""
    versions, aliased = versions_of(root, name), set(_aliases(root, name).values())
    gone = [version for version in versions[: -max(keep, 1)] if version not in aliased]
    for version in gone:
        doomed = root / name / f".removing-{uuid.uuid4().hex}"
        (root / name / str(version)).rename(doomed)  # a reader sees a whole version or none
        shutil.rmtree(doomed)
    return gone


def _aliases(root: Path, name: str) -> dict[str, int]:
    try:
        return ModelRepository(root).aliases(name)
    except PackageRefused as error:
        raise PublicationFailed(f"{error}; mend or remove the file") from error


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise PublicationFailed(f"cannot write {path}: {error.strerror}; it stays as it was") from error
