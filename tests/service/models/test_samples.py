"""Sample pictures out of the golden samples."""

from dataclasses import replace

import numpy as np

from service.models.golden import GoldenSamples
from service.models.samples import MOST_SAMPLES, choose_samples
from service.models.variant import Precision


def golden(logits: list[list[float]], labels: list[int]) -> GoldenSamples:
    images = tuple(f"image {place}".encode() for place in range(len(labels)))
    return GoldenSamples(images=images, logits=np.array(logits, dtype=np.float32), labels=np.array(labels))


def test_of_each_label_the_one_that_the_model_knows_best() -> None:
    """Sure and wrong comes last; labels without a sample are passed over."""
    logits = [[9.0, 0.0, 0.0], [5.0, 0.0, 0.0], [0.0, 3.0, 0.0], [9.0, 1.0, 0.0]]
    samples = choose_samples(golden(logits, [0, 0, 1, 1]), ("shirt", "bag", "boot"))
    assert [(sample.label, sample.image) for sample in samples] == [("shirt", b"image 0"), ("bag", b"image 2")]


def test_the_watch_gets_what_is_expected_in_the_precision_that_answers() -> None:
    """The same pictures, with their own logits."""
    own = {Precision.INT8: np.array([[4.0, 1.0], [1.0, 4.0]], dtype=np.float32)}
    samples = replace(golden([[5.0, 0.0], [0.0, 5.0]], [0, 1]), own=own)
    int8 = choose_samples(samples, ("shirt", "bag"), Precision.INT8)
    fp32 = choose_samples(samples, ("shirt", "bag"))
    assert [sample.image for sample in int8] == [sample.image for sample in fp32]
    assert [sample.logits.tolist() for sample in int8] == own[Precision.INT8].tolist()
    assert [sample.logits.tolist() for sample in fp32] == samples.logits.tolist()


def test_a_thousand_labels_are_sampled_evenly() -> None:
    """First and last among them, none twice."""
    names = tuple(f"label {place}" for place in range(1000))
    samples = choose_samples(golden(np.eye(1000).tolist(), list(range(1000))), names)
    assert len({sample.label for sample in samples}) == len(samples) == MOST_SAMPLES
    assert (samples[0].label, samples[-1].label) == (names[0], names[-1])
