"""Chooses the golden samples: for every label, the images that the model finds easiest and hardest to decide.

They are stored in formats that decode without loss, so that the logits which training computed from the pixels are
those that a server must compute from the files.
"""

import io
import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.models.golden import GoldenSamples
from service.models.manifest import InputSpec
from training.data import Images

MIN_SAMPLES = 16
MAX_LABELS = 128
"""With more labels than this only so many are covered, evenly spread."""
FORMATS = ("PNG", "PNG", "PNG", "BMP", "PNG", "PNG", "WEBP", "PNG")
"""Taken in turn."""


def choose_samples(images: Images, logits: npt.NDArray[np.float32], spec: InputSpec) -> GoldenSamples:
    """At least 16 of the images, where there are so many, with training's logits for them (N, labels)."""
    chosen = _extremes(images.labels, _margins(logits))
    pictures = (framed(images.pixels[index], spec) for index in chosen)
    encoded = (encode(pixels, FORMATS[turn % len(FORMATS)]) for turn, pixels in enumerate(pictures))
    return GoldenSamples(images=tuple(encoded), logits=logits[chosen], labels=images.labels[chosen])


def framed(pixels: npt.NDArray[np.uint8], spec: InputSpec) -> npt.NDArray[np.uint8]:
    """A picture of which the service's scaling and cropping leaves these very pixels: with a frame to be cut off."""
    if spec.resize_to is None:
        return pixels
    margins = [(spec.resize_to - spec.height), (spec.resize_to - spec.width)]
    before = [round(margin / 2) for margin in margins]
    frame = [(first, margin - first) for first, margin in zip(before, margins, strict=True)]
    return np.pad(pixels, (*frame, (0, 0)), mode="edge")


def encode(pixels: npt.NDArray[np.uint8], kind: str = "PNG") -> bytes:
    """(H, W, 1) or (H, W, 3) as an image file, without loss."""
    buffer = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _margins(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Distance of the best logit from the second: near zero at a boundary between two labels."""
    best = np.partition(logits, -2, axis=1)[:, -2:]
    return best[:, 1] - best[:, 0]  # (N,)


def _extremes(labels: npt.NDArray[np.int64], margins: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    present = np.unique(labels)
    if len(present) > MAX_LABELS:
        present = present[np.linspace(0, len(present) - 1, MAX_LABELS).round().astype(np.int64)]
    each = math.ceil(MIN_SAMPLES / (2 * len(present)))
    chosen = []
    for label in present:
        members = np.flatnonzero(labels == label)
        by_margin = members[np.argsort(margins[members], kind="stable")]
        chosen += [*by_margin[:each], *by_margin[-each:]]
    return np.unique(np.array(chosen, dtype=np.int64))
