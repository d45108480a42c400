"""What comes with somebody else's model (export/given.py): labels, preprocessing, pictures."""

import json
from pathlib import Path

import numpy as np
import pytest

from export.errors import ImportInvalid
from export.given import read_images, read_labels, read_preprocessing
from service.models.manifest import InputSpec, Resize

LABELS = ("cat", "dog", "bird")


def preprocessing(given: str) -> InputSpec:
    return read_preprocessing(given, channels=3, height=12, width=12)


def test_labels_may_be_a_list_and_may_repeat(tmp_path: Path) -> None:
    """ImageNet has two cranes."""
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(["crane", "dog", "crane"]))
    assert read_labels(str(path), 3) == ("crane (1)", "dog", "crane (2)")


def test_preprocessing_by_name_or_from_a_file(tmp_path: Path) -> None:
    """The size is the model's; a wrong field is named."""
    imagenet = preprocessing("imagenet")
    assert (imagenet.resize, imagenet.height, imagenet.resize_to) == (Resize.SHORTER_SIDE, 12, 14)
    assert preprocessing("unit").mean == (0.0, 0.0, 0.0)
    path = tmp_path / "preprocessing.json"
    path.write_text(json.dumps({"mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bicubic"}))
    assert preprocessing(str(path)).interpolation == "bicubic"
    for wrong, reason in (
        ({"mean": [0]}, "std"),
        ({"mean": [0] * 3, "std": [1] * 3, "colour": 1}, "colour"),
        ([], "object"),
    ):
        path.write_text(json.dumps(wrong))
        with pytest.raises(ImportInvalid, match=reason):
            preprocessing(str(path))
    with pytest.raises(ImportInvalid, match="imagenet, unit or a JSON file"):
        preprocessing("resnet")
    path.write_text(json.dumps({"mean": [0, 0, 0], "std": [1, 1, 1], "height": 99}))
    with pytest.raises(ImportInvalid, match="the model takes 12 x 12 x 3"):
        preprocessing(str(path))


def test_an_open_size_is_settled_by_the_file(tmp_path: Path) -> None:
    """Else it is the usual one."""
    path = tmp_path / "preprocessing.json"
    path.write_text(json.dumps({"mean": [0.5] * 3, "std": [0.5] * 3, "height": 48, "width": 192}))
    spec = read_preprocessing(str(path), channels=3, height=0, width=0)
    assert (spec.height, spec.width) == (48, 192)
    usual = read_preprocessing("imagenet", channels=3, height=0, width=0)
    assert (usual.height, usual.width, usual.resize_to) == (224, 224, 256)


def test_imagenet_has_a_thousand_readable_labels() -> None:
    """Each once; the bird and the machine are told apart."""
    labels = read_labels("imagenet", 1000)
    assert len(set(labels)) == 1000
    assert (labels[0], labels[207], labels[999]) == ("tench", "golden retriever", "toilet tissue")
    assert {"crane", "crane bird"} <= set(labels)


def test_at_most_64_pictures_are_taken(tmp_path: Path) -> None:
    """Evenly spread."""
    for number in range(100):
        (tmp_path / f"{number:03}.png").write_bytes(bytes([number]))
    given = read_images(tmp_path, LABELS)
    assert len(given.files) == 64
    assert (given.files[0], given.files[-1]) == (b"\x00", bytes([99]))
    assert given.labels is None
    assert np.all(np.diff([file[0] for file in given.files]) > 0)


def test_labels_of_spreadsheets_and_of_other_shapes(tmp_path: Path) -> None:
    """A byte order mark is no part of the first label; a list of lists is refused."""
    marked, nested = tmp_path / "labels.txt", tmp_path / "labels.json"
    marked.write_bytes(b"\xef\xbb\xbfa\nb\n")
    assert read_labels(str(marked), 2) == ("a", "b")
    for content in ('[["n1", "a"], ["n2", "b"]]', '["a", null]'):
        nested.write_text(content)
        with pytest.raises(ImportInvalid, match="a JSON list of texts"):
            read_labels(str(nested), 2)
