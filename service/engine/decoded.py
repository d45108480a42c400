"""Encoded images in, tensors out, one after the other: decode → preprocess, here or in another process."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from service.engine.decode import Decode, ImageLimits, decode
from service.engine.preprocess import mend_polarity, resized
from service.errors import ServiceError
from service.models.manifest import InputSpec

Tensors = npt.NDArray[np.uint8]  # (N, H, W, C)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What images are made into: a model's input, decoded with at least so many pixels where not with all."""

    spec: InputSpec
    at_least: float | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.spec.height, self.spec.width, self.spec.channels

    def room(self, images: int) -> Tensors:
        """For so many of them."""
        return np.empty((images, *self.shape), dtype=np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Several images, column by column. The tensors of the good ones lie side by side where they were wanted."""

    places: npt.NDArray[np.intp]  # (n,): where the good ones stood
    times: npt.NDArray[np.float64]  # (n, 3): when it began (`time.monotonic`), seconds to decode, to preprocess
    errors: Mapping[int, ServiceError]


NOTHING = Decoded(places=np.zeros(0, dtype=np.intp), times=np.zeros((0, 3)), errors=MappingProxyType({}))


def decode_all(
    images: Iterable[bytes], target: Target, limits: ImageLimits, out: Tensors, *, decode: Decode = decode
) -> Decoded:
    """Fills `out` from its beginning; what is wrong with an image is its own."""
    spec, places, rows, errors = target.spec, list[int](), list[tuple[float, float, float]](), dict[int, ServiceError]()
    for place, image in enumerate(images):
        try:
            began = time.monotonic()
            pixels = decode(image, pixel_format=spec.pixel_format, limits=limits, at_least=target.at_least)
            decoded = time.monotonic()
            out[len(places)] = resized(pixels, spec)
            rows.append((began, decoded - began, time.monotonic() - decoded))
            places.append(place)
        except ServiceError as error:
            errors[place] = error
    times = np.array(rows, dtype=np.float64).reshape(-1, 3)
    if places:
        began = time.monotonic()
        mend_polarity(out[: len(places)], spec)
        times[:, 2] += (time.monotonic() - began) / len(places)
    return Decoded(places=np.array(places, dtype=np.intp), times=times, errors=errors)


def joined(parts: Iterable[tuple[int, Decoded]]) -> Decoded:
    """Of parts of a whole, each with the place of its first image."""
    starts, decoded = zip((0, NOTHING), *parts, strict=True)
    return Decoded(
        places=np.concatenate([part.places + start for start, part in zip(starts, decoded, strict=True)]),
        times=np.concatenate([part.times for part in decoded]),
        errors={
            start + place: error
            for start, part in zip(starts, decoded, strict=True)
            for place, error in part.errors.items()
        },
    )


def refused(images: int, error: ServiceError) -> Decoded:
    """All of them, for one reason."""
    return replace(NOTHING, errors=dict.fromkeys(range(images), error))
