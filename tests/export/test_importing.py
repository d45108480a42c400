"""The way of anyone's ONNX classifier into the repository (export/importing.py)."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from export import imported_variants
from export.destination import DirectoryDestination
from export.errors import ImportInvalid, ImportMisused
from export.given import read_images
from export.graph import to_bytes
from export.importing import import_model
from export.quantize import Quantised
from export.verify import prove
from export.wish import Wish
from service.models.golden import GoldenSamples
from service.models.manifest import GOLDEN_FILE, Precision
from service.models.repository import ModelRepository, Package
from service.models.variant import Quantisation
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
    model: Path, labels: Path, root: Path, *, folders: bool = False, preprocessing: str | None = "imagenet", **more: Any
) -> Package:
    write_pictures(root / "pictures", folders=folders)
    wish = Wish(
        model=model,
        labels=str(labels),
        preprocessing=preprocessing,
        images=root / "pictures",
        name="animals",
        licence="MIT",
        **more,
    )
    return import_model(wish, DirectoryDestination(root / "models"))


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


@pytest.mark.parametrize("opset", [9, 17])
def test_a_graph_with_an_open_batch_is_quantised(labels: Path, tmp_path: Path, opset: int) -> None:
    """Old ones are brought up to date for it; ranges come from the pictures that are given for them."""
    model = tmp_path / "model.onnx"
    model.write_bytes(to_bytes(classifier(opset=opset)))
    write_pictures(tmp_path / "more", count=20)
    precisions = (Precision.FP32, Precision.FP16, Precision.INT8)
    package = imported(
        model, labels, tmp_path, folders=True, calibration=tmp_path / "more", precisions=precisions,
        max_accuracy_loss=100.0,
    )  # fmt: skip
    manifest = package.manifest
    int8 = manifest.variants[Precision.INT8]
    assert int8.quantisation is not None
    assert int8.comparison is not None
    assert (int8.quantisation.calibration_images, int8.comparison.images) == (20, 6)
    assert list(manifest.left_out) == [Precision.FP16]
    golden = GoldenSamples.from_bytes(package.read(GOLDEN_FILE))
    assert set(golden.own) == {Precision.INT8}
    assert int8.golden_tolerance == pytest.approx(np.abs(golden.own[Precision.INT8]).max() / 100)
    card = package.read("card.md").decode()
    assert "| int8 |" in card
    assert "fp16 is left out: half precision is made from weights" in card
    assert manifest.opset == opset


def test_what_cannot_be_quantised_is_left_out_with_the_reason(model: Path, labels: Path, tmp_path: Path) -> None:
    """A graph that takes one picture at a time is served as it is."""
    write_pictures(tmp_path / "more", count=20)
    manifest = imported(
        model, labels, tmp_path, calibration=tmp_path / "more", precisions=(Precision.FP32, Precision.INT8)
    ).manifest
    assert "one picture at a time" in manifest.left_out[Precision.INT8]
    assert set(manifest.variants) == {Precision.FP32}


def test_a_variant_that_answers_otherwise_is_left_out(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without true labels there is no accuracy to lose: the answers must stay."""
    model = tmp_path / "model.onnx"
    model.write_bytes(to_bytes(classifier()))
    write_pictures(tmp_path / "more", count=20)
    monkeypatch.setattr(imported_variants, "quantize", turned_round)
    manifest = imported(
        model, labels, tmp_path, calibration=tmp_path / "more", precisions=(Precision.FP32, Precision.INT8)
    ).manifest
    assert set(manifest.variants) == {Precision.FP32}
    assert "97% are needed" in manifest.left_out[Precision.INT8]


def turned_round(graph: onnx.ModelProto, **_others: Any) -> Quantised:
    """The graph with the last label for the first and so on: as wrong as can be."""
    wrong = onnx.ModelProto()
    wrong.CopyFrom(graph)
    (last,) = [node for node in wrong.graph.node if "logits" in node.output]
    last.output[0] = "straight"
    wrong.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2, 0, 1]), "order"))
    wrong.graph.node.append(onnx.helper.make_node("Gather", ["straight", "order"], ["logits"], axis=1))
    facts = Quantisation(method="entropy", calibration_images=1, agreements={})
    return Quantised(graph=wrong, facts=facts)


def test_int8_needs_pictures(labels: Path, tmp_path: Path) -> None:
    """Six do not say how large the numbers inside can become."""
    model = tmp_path / "model.onnx"
    model.write_bytes(to_bytes(classifier()))
    with pytest.raises(ImportInvalid, match=r"int8 needs at least 16 pictures .* there are 6"):
        imported(model, labels, tmp_path, precisions=(Precision.FP32, Precision.INT8))
    with pytest.raises(ImportMisused, match="needs --preprocessing"):
        imported(model, labels, tmp_path, preprocessing=None)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(("weight", "fault"), [(0.0, "gives 0 for every label"), (np.nan, "no finite numbers")])
def test_logits_that_tell_nothing_are_refused(
    model: Path, labels: Path, tmp_path: Path, weight: float, fault: str
) -> None:
    """Golden samples of them would prove nothing."""
    graph = classifier()
    head = next(tensor for tensor in graph.graph.initializer if tensor.name == "head")
    head.CopyFrom(onnx.numpy_helper.from_array(np.full((4, 3), weight, np.float32), "head"))
    model.write_bytes(to_bytes(graph))
    with pytest.raises(ImportInvalid, match=fault):
        imported(model, labels, tmp_path)
    assert not (tmp_path / "models").exists()
