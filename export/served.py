"""Images as the service gets them: encoded files on its own way, decode → preprocess, beside the pixels of training.

Where training read its images from files, these are the files; else the pictures of the data set as it was published,
before training brought them into the model's size, encoded without loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.golden import encode
from export.verify import LIMITS, Pixels
from service.engine.decode import decode
from service.engine.preprocess import preprocess
from service.errors import ServiceError
from service.models.manifest import InputSpec
from training.data import Images, Splits
from training.data.picture import read_picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One split, both ways."""

    raw: Images
    images: Images
    """The same ones after the service's decode and preprocess."""
    refused: int = 0
    """Files of kinds that the service does not take; they were sent as PNG."""

    @property
    def differing(self) -> int:
        """Images of which any pixel is another one than in training."""
        return int((self.raw.pixels != self.images.pixels).any(axis=(1, 2, 3)).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The splits of a run: the raw pixels for what is compared with training, both ways for what users will see."""

    training: Images
    validation: Served
    test: Served

    def __str__(self) -> str:
        both = (self.validation, self.test)
        refused, differing = sum(split.refused for split in both), sum(split.differing for split in both)
        text = f"{sum(len(split.raw) for split in both):,} encoded images on the service's way"
        text += f"; {differing:,} have other pixels than in training" if differing else "; every pixel as in training"
        return text + (f"; {refused:,} are of kinds that the service refuses, sent as PNG" if refused else "")


def serve_splits(splits: Splits, published: Splits, spec: InputSpec) -> Pictures:
    """What is measured goes both ways; what the model learnt from goes none."""
    return Pictures(
        training=splits.train,
        validation=serve(splits.validation, published.validation, spec),
        test=serve(splits.test, published.test, spec),
    )


def serve(raw: Images, published: Images, spec: InputSpec) -> Served:
    """Every image of a split; `published` holds the same ones in their own size, or where their files are."""
    refused = 0
    prepared: list[Pixels] = []
    for place, pixels in enumerate(published.pixels):
        if not published.files:
            prepared.append(prepare_image(encode(pixels), spec))
            continue
        path = published.files[place]
        content = path.read_bytes()
        try:
            prepared.append(prepare_image(content, spec))
        except ServiceError:
            refused += 1
            prepared.append(prepare_image(_as_png(path, content), spec))
    return Served(raw=raw, images=Images(pixels=np.stack(prepared), labels=raw.labels), refused=refused)


def _as_png(path: Path, content: bytes) -> bytes:
    pixels = np.asarray(read_picture(path, content))
    return encode(pixels[..., np.newaxis] if pixels.ndim == 2 else pixels)


def prepare_image(file: bytes, spec: InputSpec) -> Pixels:
    """An encoded image on the service's way to the graph: uint8 (H, W, C)."""
    return preprocess(decode(file, pixel_format=spec.pixel_format, limits=LIMITS), spec)


def prepare_images(files: Sequence[bytes], spec: InputSpec) -> Pixels:
    """The same for many: uint8 (N, H, W, C)."""
    return np.stack([prepare_image(file, spec) for file in files])
