"""What belongs into a package (export/assemble.py)."""

import pytest

from export.assemble import input_spec
from export.draft import Draft
from export.evidence import Evidence
from service.models.manifest import InputSpec, Manifest, PixelFormat, Polarity, Precision, digest_of
from training.checkpoint import Run
from training.config import Preprocessing


def test_the_manifest_describes_every_file(draft: Draft) -> None:
    """Digest and size of each; the card is one of them."""
    assert (
        set(draft.manifest.files) == set(draft.files) == {"model.onnx", "model.explain.onnx", "golden.npz", "card.md"}
    )
    for name, record in draft.manifest.files.items():
        assert record.sha256 == digest_of(draft.files[name])
        assert record.size_bytes == len(draft.files[name])


def test_the_manifest_says_what_the_run_says(draft: Draft, run: Run, evidence: Evidence) -> None:
    """Labels, data, counts and where it came from."""
    manifest, record = draft.manifest, run.record
    assert manifest.labels == record.labels
    assert manifest.family == "fashion_cnn"
    assert (manifest.parameters, manifest.macs) == (29_034, 2_838_080)
    assert manifest.data.sha256 == record.data.sha256
    assert manifest.data.splits == {"train": 550, "validation": 50, "test": 300}
    assert manifest.source_run == run.digest
    assert manifest.licence == record.licence.weights
    assert manifest.outputs.embedding_size == 1568
    assert manifest.variants[Precision.FP32].metrics == evidence.metrics
    assert {"torch", "onnx", "onnxruntime", "recognition"} <= set(manifest.tools)


def test_the_golden_tolerance_admits_rounding_and_no_tf32(draft: Draft, evidence: Evidence) -> None:
    """A ten-thousandth of the largest logit."""
    largest = float(abs(evidence.golden.logits).max())
    assert draft.manifest.variants[Precision.FP32].golden_tolerance == pytest.approx(largest / 10_000)


def test_the_manifest_survives_its_file(draft: Draft) -> None:
    """Read back it is the same."""
    assert Manifest.from_bytes(draft.manifest.to_bytes()) == draft.manifest


def test_the_preprocessing_is_carried_over(run: Run) -> None:
    """Word for word."""
    spec = input_spec(run.record.preprocessing)
    assert (spec.pixel_format, spec.height, spec.width) == (PixelFormat.GRAY8, 28, 28)
    assert (spec.mean, spec.std) == ((0.286,), (0.353,))
    assert spec.polarity is Polarity.BRIGHT_ON_DARK


def test_every_field_of_the_preprocessing_reaches_the_manifest() -> None:
    """None is left at the manifest's default."""
    preprocessing = Preprocessing(
        pixel_format="rgb8",
        height=224,
        width=200,
        resize="shorter_side",
        resize_to=256,
        interpolation="bicubic",
        polarity="bright_on_dark",
        mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6),
    )
    spec = input_spec(preprocessing)
    assert set(InputSpec.model_fields) - {"tensor"} == set(Preprocessing.__dataclass_fields__)
    for field in Preprocessing.__dataclass_fields__:
        assert getattr(spec, field) == getattr(preprocessing, field)
