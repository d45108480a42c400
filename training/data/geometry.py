"""Brings pictures into the form that a model takes: size by the recipe's resize rule, grey or colour, polarity."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data.dataset import Dataset, Images

if TYPE_CHECKING:  # a recipe is made of data configurations, so it imports this package
    from training.config import Preprocessing

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
MID_GREY = 127
LONGEST_STRIP = 8
"""How many times its shorter side the longer side of a picture may be before the ends are cut off."""


def fit_picture(picture: Image.Image, preprocessing: "Preprocessing") -> NDArray[np.uint8]:
    """uint8 (height, width, channels) of the preprocessing: stretched, or scaled by the shorter side and cropped."""
    picture = picture.convert("L" if preprocessing.pixel_format == "gray8" else "RGB")
    width, height = preprocessing.width, preprocessing.height
    filter_ = RESAMPLING[preprocessing.interpolation]
    if preprocessing.resize == "stretch" or preprocessing.resize_to is None:
        if picture.size != (width, height):
            picture = picture.resize((width, height), filter_)
    else:
        picture = _middle(picture)
        side, (old_width, old_height) = preprocessing.resize_to, picture.size
        shorter = min(old_width, old_height)
        picture = picture.resize((side * old_width // shorter, side * old_height // shorter), filter_)
        left, top = round((picture.width - width) / 2), round((picture.height - height) / 2)  # as the service does
        picture = picture.crop((left, top, left + width, top + height))
    pixels = np.asarray(picture, dtype=np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _middle(picture: Image.Image) -> Image.Image:
    """Without the ends of a strip, as the service takes it: scaled up first, they would fill the memory."""
    columns, rows = (
        min(picture.width, LONGEST_STRIP * picture.height),
        min(picture.height, LONGEST_STRIP * picture.width),
    )
    if picture.size == (columns, rows):
        return picture
    left, top = (picture.width - columns) // 2, (picture.height - rows) // 2
    return picture.crop((left, top, left + columns, top + rows))


def turn_polarity(pixels: NDArray[np.uint8], preprocessing: "Preprocessing") -> tuple[NDArray[np.uint8], str]:
    """(N, height, width, channels) as the service turns them, and a note where any was turned.

    Where the model wants bright on dark, a picture is inverted if more than three quarters of its outermost pixels are
    brighter than mid-grey.
    """
    if preprocessing.polarity != "bright_on_dark":
        return pixels, ""
    rows, columns = pixels[:, [0, -1]], pixels[:, 1:-1, [0, -1]]
    bright = sum(np.count_nonzero(part > MID_GREY, axis=(1, 2, 3)) for part in (rows, columns))
    chosen = bright * 4 > (rows[0].size + columns[0].size) * 3
    if not chosen.any():
        return pixels, ""
    pixels = pixels.copy()
    pixels[chosen] = 255 - pixels[chosen]
    return pixels, f"{np.count_nonzero(chosen)} of {len(pixels)} pictures on a bright ground are inverted for the model"


def adapt(dataset: Dataset, preprocessing: "Preprocessing") -> Dataset:
    """The same data set in the size and colours of the preprocessing, with a note that says what was changed."""
    height, width, channels = dataset.train.pixels.shape[1:]
    wanted = (preprocessing.height, preprocessing.width, 1 if preprocessing.pixel_format == "gray8" else 3)
    if (height, width, channels) == wanted and preprocessing.resize_to is None:
        return _turned(dataset, preprocessing)
    changes = []
    if channels != wanted[2]:
        changes.append("made grey" if wanted[2] == 1 else "given three equal channels")
    if (height, width) != wanted[:2]:
        changes.append(f"resized from {height} x {width} to {wanted[0]} x {wanted[1]}")
    elif preprocessing.resize_to is not None:
        changes.append(f"scaled to {preprocessing.resize_to} and cropped to {wanted[0]} x {wanted[1]} again")
    note = f"the pictures of {dataset.name} are {' and '.join(changes)} for the model"
    adapted = replace(
        dataset,
        train=_adapted(dataset.train, preprocessing),
        test=_adapted(dataset.test, preprocessing),
        notes=(*dataset.notes, note),
    )
    return _turned(adapted, preprocessing)


def _adapted(images: Images, preprocessing: "Preprocessing") -> Images:
    pictures = (Image.fromarray(p[..., 0] if p.shape[2] == 1 else p) for p in images.pixels)
    return Images(pixels=np.stack([fit_picture(p, preprocessing) for p in pictures]), labels=images.labels)


def _turned(dataset: Dataset, preprocessing: "Preprocessing") -> Dataset:
    train, note = turn_polarity(dataset.train.pixels, preprocessing)
    test, other = turn_polarity(dataset.test.pixels, preprocessing)
    if not note and not other:
        return dataset
    return replace(
        dataset,
        train=replace(dataset.train, pixels=train),
        test=replace(dataset.test, pixels=test),
        notes=(*dataset.notes, *(f"{split}: {text}" for split, text in (("training", note), ("test", other)) if text)),
    )
