"""Plain ONNX models on disk."""

from pathlib import Path

import pytest

from service.models import plain_model
from service.models.package import PackageRefused
from service.models.plain_model import open_plain_model
from tests.service import plain_models


def test_a_bare_graph_is_enough(tmp_path: Path) -> None:
    """Without configuration and labels."""
    graph = plain_models.identity()
    plain_models.write(tmp_path, "bare", graph)
    model = open_plain_model(tmp_path / "bare", 1)
    assert (model.config, model.labels) == (None, {})
    assert model.read() == graph


def test_labels_lie_in_the_version_or_beside_it(tmp_path: Path) -> None:
    """Those of the version count more."""
    directory = plain_models.write(tmp_path, "named", plain_models.identity(), labels_txt="a\nb\n")
    assert open_plain_model(tmp_path / "named", 1).labels == {"": ("a", "b")}
    (directory / "labels.txt").write_text("c\n", encoding="utf-8")
    assert open_plain_model(tmp_path / "named", 1).labels == {"": ("c",)}


def test_refusals_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its place in the repository: a file that is too large, no model, or missing; a bad configuration."""
    directory = plain_models.write(tmp_path, "odd", plain_models.identity())
    model = open_plain_model(tmp_path / "odd", 1)
    monkeypatch.setattr(plain_model, "LARGEST_GRAPH_BYTES", 10)
    with pytest.raises(PackageRefused, match=r"odd/1/model\.onnx is larger than 10 bytes"):
        model.read()
    (directory / "model.onnx").write_bytes(b"not")
    with pytest.raises(PackageRefused, match=r"odd/1/model\.onnx is not an ONNX"):
        model.read()
    (directory / "model.onnx").unlink()
    with pytest.raises(PackageRefused, match=r"odd/1/model\.onnx cannot be read"):
        model.read()
    (tmp_path / "odd" / "config.pbtxt").write_text("max_batch_size: -1", encoding="utf-8")
    with pytest.raises(PackageRefused, match=r"odd/config\.pbtxt: max_batch_size"):
        open_plain_model(tmp_path / "odd", 1)
