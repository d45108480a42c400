"""What lies beside the versions for NVIDIA Triton (export/triton.py)."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from recognition.oip.model_config_pb2 import DataType, ModelConfig, ModelInput

from export.draft import Draft
from export.errors import PublicationFailed
from export.publish import publish
from export.triton import triton_files
from service.models.repository import Package
from service.models.triton_config import read_config, read_labels


def accept(_package: Package) -> None:
    """For tests that are not about the proof."""


def test_the_configuration_is_a_valid_message(draft: Draft) -> None:
    """Every field is known, and the tensors are those of the graph without their batch dimension."""
    config = text_format.Parse(triton_files(draft.manifest)["config.pbtxt"], ModelConfig())
    assert (config.name, config.platform, config.backend) == ("clothes", "onnxruntime_onnx", "onnxruntime")
    (image,) = config.input
    assert (image.name, list(image.dims), image.format) == ("image", [28, 28, 1], ModelInput.Format.FORMAT_NHWC)
    assert image.data_type == DataType.TYPE_UINT8
    logits, embedding = config.output
    assert (logits.name, list(logits.dims), logits.label_filename) == ("logits", [10], "labels.txt")
    assert (embedding.name, list(embedding.dims)) == ("embedding", [1568])
    assert config.max_batch_size > 0
    assert config.HasField("dynamic_batching")
    assert config.default_model_filename == "model.onnx"


def test_they_lie_beside_the_versions(draft: Draft, tmp_path: Path) -> None:
    """As the service's own reader of such directories understands them."""
    publish(draft, tmp_path, prove=accept)
    config = read_config(tmp_path / "clothes")
    assert config is not None
    assert read_labels(tmp_path / "clothes", config.output[0].label_filename) == draft.manifest.labels
    assert sorted(path.name for path in (tmp_path / "clothes").iterdir()) == ["1", "config.pbtxt", "labels.txt"]


def test_a_configuration_that_somebody_wrote_is_left_alone(draft: Draft, tmp_path: Path) -> None:
    """Tuned by hand for a Triton server, say; one that was written here is renewed."""
    home = tmp_path / "clothes"
    home.mkdir()
    (home / "config.pbtxt").write_text("max_batch_size: 8\n")
    publish(draft, tmp_path, prove=accept)
    assert (home / "config.pbtxt").read_text() == "max_batch_size: 8\n"
    (home / "config.pbtxt").unlink()
    publish(draft, tmp_path, prove=accept)
    assert (home / "config.pbtxt").read_bytes() == triton_files(draft.manifest)["config.pbtxt"]


@pytest.mark.parametrize("label", ["two\nlines", " "])
def test_a_label_that_is_no_line_is_refused(draft: Draft, tmp_path: Path, label: str) -> None:
    """Nothing is published."""
    manifest = draft.manifest.model_copy(update={"labels": (label, *draft.manifest.labels[1:])})
    with pytest.raises(PublicationFailed, match="is not one line of text"):
        publish(Draft(manifest=manifest, files=draft.files), tmp_path, prove=accept)
    assert list(tmp_path.rglob("*")) == []
