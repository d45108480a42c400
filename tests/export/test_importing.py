"""The way of anyone's ONNX classifier into the repository (export/importing.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from export.destination import DirectoryDestination
from export.errors import ImportInvalid
from export.foreign import read_foreign
from export.graph import to_bytes
from export.importing import import_model, read_images, read_labels, read_preprocessing
from export.verify import prove
from service.models.manifest import Precision, Resize
from service.models.repository import ModelRepository, Package
from tests.export.foreign_models import LABELS, classifier, write_pictures


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(to_bytes(classifier(batch=1, fixed_reshape=True)))
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(LABELS) + "\n")
    return path


def imported(
    model: Path, labels: Path, root: Path, *, folders: bool = False, preprocessing: str = "imagenet"
) -> Package:
    write_pictures(root / "pictures", folders=folders)
    return import_model(
        model,
        labels=labels,
        preprocessing=preprocessing,
        images=root / "pictures",
        name="animals",
        repository=DirectoryDestination(root / "models"),
        licence="MIT",
    )


def test_becomes_a_package_that_the_service_accepts(model: Path, labels: Path, tmp_path: Path) -> None:
    """With the labels, the licence, and golden samples that the service's own replay confirms."""
    package = imported(model, labels, tmp_path)
    again = ModelRepository(tmp_path / "models").open("animals", 1)
    assert again == package
    prove(again)
    manifest = again.manifest
    assert (manifest.labels, manifest.licence, manifest.family) == (LABELS, "MIT", "imported")
    assert manifest.variants[Precision.FP32].max_abs_difference <= 1e-5
    assert "agreement" in manifest.variants[Precision.FP32].metrics.split


def test_folders_named_after_labels_give_the_true_labels(model: Path, labels: Path, tmp_path: Path) -> None:
    """And so a true accuracy."""
    metrics = imported(model, labels, tmp_path, folders=True).manifest.variants[Precision.FP32].metrics
    assert (metrics.split, metrics.images) == ("given images", 6)
    assert [row.support for row in metrics.per_label] == [2, 2, 2]


def test_a_missing_label_is_refused_and_nothing_is_published(model: Path, labels: Path, tmp_path: Path) -> None:
    """Both numbers are given."""
    labels.write_text("cat\ndog\n")
    with pytest.raises(ImportInvalid, match="has 2 labels and the model gives 3 numbers"):
        imported(model, labels, tmp_path)
    assert not (tmp_path / "models").exists()


def test_labels_may_be_a_list_and_may_repeat(tmp_path: Path) -> None:
    """ImageNet has two cranes."""
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(["crane", "dog", "crane"]))
    assert read_labels(path, 3) == ("crane (1)", "dog", "crane (2)")


def test_preprocessing_by_name_or_from_a_file(model: Path, tmp_path: Path) -> None:
    """The size is the model's; a wrong field is named."""
    foreign = read_foreign(model)
    imagenet = read_preprocessing("imagenet", foreign)
    assert (imagenet.resize, imagenet.height, imagenet.resize_to) == (Resize.SHORTER_SIDE, 12, 14)
    assert read_preprocessing("unit", foreign).mean == (0.0, 0.0, 0.0)
    path = tmp_path / "preprocessing.json"
    path.write_text(json.dumps({"mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bicubic"}))
    assert read_preprocessing(str(path), foreign).interpolation == "bicubic"
    for wrong, reason in (
        ({"mean": [0]}, "std"),
        ({"mean": [0] * 3, "std": [1] * 3, "colour": 1}, "colour"),
        ([], "object"),
    ):
        path.write_text(json.dumps(wrong))
        with pytest.raises(ImportInvalid, match=reason):
            read_preprocessing(str(path), foreign)
    with pytest.raises(ImportInvalid, match="imagenet, unit or a JSON file"):
        read_preprocessing("resnet", foreign)
    path.write_text(json.dumps({"mean": [0, 0, 0], "std": [1, 1, 1], "height": 99}))
    with pytest.raises(ImportInvalid, match="the model takes 12 x 12 x 3"):
        read_preprocessing(str(path), foreign)


def test_pictures_are_needed_and_must_be_pictures(model: Path, labels: Path, tmp_path: Path) -> None:
    """Nothing is published without golden samples."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImportInvalid, match="holds no image"):
        read_images(tmp_path / "empty", LABELS)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "broken.png").write_bytes(b"broken")
    with pytest.raises(ImportInvalid, match="would refuse"):
        imported(model, labels, tmp_path)
    assert not (tmp_path / "models").exists()


def test_at_most_64_pictures_are_taken(tmp_path: Path) -> None:
    """Evenly spread."""
    for number in range(100):
        (tmp_path / f"{number:03}.png").write_bytes(bytes([number]))
    given = read_images(tmp_path, LABELS)
    assert len(given.files) == 64
    assert (given.files[0], given.files[-1]) == (b"\x00", bytes([99]))
    assert given.labels is None
    assert np.all(np.diff([file[0] for file in given.files]) > 0)
