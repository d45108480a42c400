"""The file of golden samples: what is written comes back, and nothing else is taken for it."""

import io
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from service.models.golden import GoldenSamples
from service.models.manifest import ManifestInvalid, Precision
from tests.service.packages import golden

GOOD: dict[str, npt.NDArray[Any]] = {
    "data": np.arange(10, dtype=np.uint8),
    "offsets": np.array([0, 4, 10], dtype=np.int64),
    "logits": np.zeros((2, 3), dtype=np.float32),
    "labels": np.array([0, 2], dtype=np.int64),
}


def npz(**changes: Any) -> bytes:
    """The good arrays with some of them changed; None leaves one out."""
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in (GOOD | changes).items() if array is not None})
    return buffer.getvalue()


class Trap:
    """Unpickling it fails the test."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("the file was unpickled",)


def test_what_is_written_comes_back() -> None:
    """Images byte for byte, logits and labels number for number."""
    samples = golden()
    read = GoldenSamples.from_bytes(samples.to_bytes())
    assert read.images == samples.images
    assert np.array_equal(read.logits, samples.logits)
    assert np.array_equal(read.labels, samples.labels)


def test_equal_samples_give_equal_bytes() -> None:
    """So that exporting a run again gives the same digests."""
    assert golden().to_bytes() == golden().to_bytes()


def test_images_are_cut_at_the_offsets() -> None:
    """An empty one among them too."""
    samples = GoldenSamples.from_bytes(
        npz(
            offsets=np.array([0, 4, 4, 10]),
            logits=np.zeros((3, 2), dtype=np.float64),
            labels=np.array([0, 1, 0], dtype=np.int32),
        )
    )
    assert samples.images == (bytes(range(4)), b"", bytes(range(4, 10)))
    assert samples.logits.dtype == np.float32
    assert samples.labels.dtype == np.int64


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short_is_refused(share: float) -> None:
    """Wherever it ends."""
    content = golden().to_bytes()
    with pytest.raises(ManifestInvalid, match=r"golden\.npz cannot be read"):
        GoldenSamples.from_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("content", [b"not a zip", pickle.dumps([1]), b"PK\x03\x04" + bytes(100)])
def test_other_files_are_refused(content: bytes) -> None:
    """Text, a pickle, something that begins like a zip."""
    with pytest.raises(ManifestInvalid, match=r"golden\.npz cannot be read"):
        GoldenSamples.from_bytes(content)


def test_a_single_array_is_refused() -> None:
    """NumPy's other file format, which `np.load` takes as well."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    with pytest.raises(ManifestInvalid, match="cannot be read"):
        GoldenSamples.from_bytes(buffer.getvalue())


def test_nothing_is_ever_unpickled() -> None:
    """An array of objects is code in disguise."""
    with pytest.raises(ManifestInvalid, match="cannot be read"):
        GoldenSamples.from_bytes(npz(labels=np.array([Trap(), Trap()], dtype=object)))


@pytest.mark.parametrize("name", GOOD)
def test_every_array_is_needed(name: str) -> None:
    """The message lists them."""
    with pytest.raises(ManifestInvalid, match="data, offsets, logits, labels"):
        GoldenSamples.from_bytes(npz(**{name: None}))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("data", np.zeros(10, dtype=np.float32)),
        ("data", np.zeros(10, dtype=np.uint16)),
        ("data", np.zeros((2, 5), dtype=np.uint8)),
        ("offsets", np.array([0.0, 4.0, 10.0])),
        ("offsets", np.array(0)),
        ("logits", np.zeros(2)),
        ("logits", np.zeros((2, 3), dtype=np.int64)),
        ("logits", np.zeros((2, 3), dtype=np.complex64)),
        ("labels", np.array(1)),
        ("labels", np.array(["a", "b"])),
    ],
)
def test_arrays_of_another_type_are_refused(name: str, array: npt.NDArray[Any]) -> None:
    """Kind of number and dimensions."""
    with pytest.raises(ManifestInvalid, match="type"):
        GoldenSamples.from_bytes(npz(**{name: array}))


@pytest.mark.parametrize(
    "changes",
    [
        {"offsets": np.array([0, 10])},
        {"logits": np.zeros((3, 3))},
        {"labels": np.array([0])},
        {"offsets": np.array([0]), "logits": np.zeros((0, 3)), "labels": np.array([], dtype=np.int64)},
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(changes: dict[str, npt.NDArray[Any]]) -> None:
    """As many logits and labels as images, and at least one."""
    with pytest.raises(ManifestInvalid, match="belong together"):
        GoldenSamples.from_bytes(npz(**changes))


@pytest.mark.parametrize("offsets", [[1, 4, 10], [0, 4, 9], [0, 4, 11], [0, 11, 10], [0, -1, 10]])
def test_offsets_must_fit_the_data(offsets: list[int]) -> None:
    """From 0, rising, to the end."""
    with pytest.raises(ManifestInvalid, match="offsets"):
        GoldenSamples.from_bytes(npz(offsets=np.array(offsets)))


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_without_a_logit_is_refused(label: int) -> None:
    """Labels are positions among the logits."""
    with pytest.raises(ManifestInvalid, match="a label has no logit"):
        GoldenSamples.from_bytes(npz(labels=np.array([0, label])))


def test_every_precision_has_its_own_expected_logits() -> None:
    """They come back with the others; a precision without any is measured by training's."""
    samples = replace(golden(), own={Precision.INT8: golden(shift=0.5).logits})
    read = GoldenSamples.from_bytes(samples.to_bytes())
    np.testing.assert_array_equal(read.expected(Precision.INT8), golden(shift=0.5).logits)
    for precision in (Precision.FP32, Precision.FP16, Precision.BF16):
        np.testing.assert_array_equal(read.expected(precision), golden().logits)


@pytest.mark.parametrize("own", [np.zeros((2, 4)), np.zeros((1, 3)), np.zeros(6), np.zeros((2, 3), dtype=np.int64)])
def test_the_logits_of_a_precision_must_be_like_trainings(own: npt.NDArray[Any]) -> None:
    """One row for each sample, one number for each label."""
    with pytest.raises(ManifestInvalid, match="the logits of the precisions"):
        GoldenSamples.from_bytes(npz(logits_int8=own))


def test_logits_of_a_precision_that_nobody_knows_are_passed_over() -> None:
    """A file of tomorrow can be read today."""
    assert GoldenSamples.from_bytes(npz(logits_int4=np.zeros((2, 3), dtype=np.float32))).own == {}
