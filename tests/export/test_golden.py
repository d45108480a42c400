"""The choice of golden samples (export/golden.py)."""

from itertools import pairwise

import numpy as np
import pytest

from export.assemble import input_spec
from export.golden import MAX_LABELS, choose_samples, encode
from service.engine.decode import ImageLimits, decode, sniff
from service.engine.preprocess import preprocess
from service.models.golden import GoldenSamples
from service.models.manifest import InputSpec, PixelFormat, Resize
from training.checkpoint import Run
from training.data import Images, Splits
from training.evaluate import Predictions

STRETCHED = InputSpec(pixel_format=PixelFormat.RGB8, height=6, width=5, mean=(0.0,) * 3, std=(1.0,) * 3)


@pytest.fixture(scope="module")
def golden(run: Run, splits: Splits, test: Predictions) -> GoldenSamples:
    return choose_samples(splits.test, test.logits, input_spec(run.record.preprocessing))


def drawn(counts: dict[int, int]) -> Images:
    """So many noisy pictures of each label."""
    labels = np.repeat(list(counts), list(counts.values())).astype(np.int64)
    pixels = np.random.default_rng(0).integers(0, 256, size=(len(labels), 6, 5, 3), dtype=np.uint8)
    return Images(pixels=pixels, labels=labels)


def test_covers_every_label(golden: GoldenSamples) -> None:
    """With at least 16 samples."""
    assert set(golden.labels.tolist()) == set(range(10))
    assert len(golden.images) >= 16


def test_holds_the_hardest_and_the_easiest_image(golden: GoldenSamples, test: Predictions) -> None:
    """By the distance between the best two logits."""
    margins = [float(np.diff(np.sort(logits)[-2:])[0]) for logits in test.logits]
    chosen = [float(np.diff(np.sort(logits)[-2:])[0]) for logits in golden.logits]
    assert min(chosen) == min(margins)
    assert max(chosen) == max(margins)


def test_files_decode_to_the_very_pixels(golden: GoldenSamples, splits: Splits, test: Predictions) -> None:
    """Each belongs to its logits: the picture with these logits in training is the one in the file."""
    for file, logits, label in zip(golden.images, golden.logits, golden.labels, strict=True):
        (index,) = np.flatnonzero((test.logits == logits).all(axis=1))
        pixels = decode(file, pixel_format=PixelFormat.GRAY8, limits=ImageLimits())
        np.testing.assert_array_equal(pixels, splits.test.pixels[index, ..., 0])
        assert splits.test.labels[index] == label


def test_most_files_are_png(golden: GoldenSamples) -> None:
    """The others exercise the other decoders."""
    kinds = [sniff(file) for file in golden.images]
    assert kinds.count("PNG") > len(kinds) / 2
    assert set(kinds) == {"PNG", "BMP", "WEBP"}


def test_few_labels_give_enough_samples() -> None:
    """Two labels, eight samples of each."""
    images = drawn({0: 30, 1: 30})
    logits = np.random.default_rng(1).normal(size=(60, 2)).astype(np.float32)
    assert len(choose_samples(images, logits, STRETCHED).images) >= 16


def test_a_label_with_one_image_is_covered_once() -> None:
    """No sample is there twice."""
    images = drawn({0: 40, 1: 1})
    logits = np.random.default_rng(1).normal(size=(41, 2)).astype(np.float32)
    golden = choose_samples(images, logits, STRETCHED)
    assert golden.labels.tolist().count(1) == 1
    assert len(set(golden.images)) == len(golden.images)


def test_very_many_labels_are_covered_evenly() -> None:
    """The first and the last among them."""
    images = drawn(dict.fromkeys(range(1000), 2))
    logits = np.random.default_rng(1).normal(size=(2000, 1000)).astype(np.float32)
    covered = sorted(set(choose_samples(images, logits, STRETCHED).labels.tolist()))
    assert (covered[0], covered[-1], len(covered)) == (0, 999, MAX_LABELS)
    assert max(after - before for before, after in pairwise(covered)) <= 9


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_is_without_loss(kind: str, channels: int) -> None:
    """On noise, where a lossy one would fail."""
    pixels = np.random.default_rng(0).integers(0, 256, size=(9, 7, channels), dtype=np.uint8)
    pixel_format = PixelFormat.GRAY8 if channels == 1 else PixelFormat.RGB8
    decoded = decode(encode(pixels, kind), pixel_format=pixel_format, limits=ImageLimits())
    np.testing.assert_array_equal(decoded.reshape(pixels.shape), pixels)


@pytest.mark.parametrize("resize_to", [6, 7, 8, 11, 40])
def test_samples_survive_scaling_and_cropping(resize_to: int) -> None:
    """Where the service scales the shorter side and cuts the middle out, the middle is what training saw."""
    images = drawn({0: 9, 1: 9})
    logits = np.random.default_rng(1).normal(size=(18, 2)).astype(np.float32)
    spec = STRETCHED.model_copy(update={"resize": Resize.SHORTER_SIDE, "resize_to": resize_to})
    golden = choose_samples(images, logits, spec)
    for file, expected in zip(golden.images, golden.logits, strict=True):
        (index,) = np.flatnonzero((logits == expected).all(axis=1))
        prepared = preprocess(decode(file, pixel_format=spec.pixel_format, limits=ImageLimits()), spec)
        np.testing.assert_array_equal(prepared, images.pixels[index])
