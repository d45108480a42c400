"""Brings pictures into the form that a model takes: size by the recipe's resize rule, grey or colour."""

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


def fit_picture(picture: Image.Image, preprocessing: "Preprocessing") -> NDArray[np.uint8]:
    """uint8 (height, width, channels) of the preprocessing: stretched, or scaled by the shorter side and cropped."""
    picture = picture.convert("L" if preprocessing.pixel_format == "gray8" else "RGB")
    width, height = preprocessing.width, preprocessing.height
    filter_ = RESAMPLING[preprocessing.interpolation]
    if preprocessing.resize == "stretch" or preprocessing.resize_to is None:
        if picture.size != (width, height):
            picture = picture.resize((width, height), filter_)
    else:
        side, (old_width, old_height) = preprocessing.resize_to, picture.size
        shorter = min(old_width, old_height)
        picture = picture.resize((side * old_width // shorter, side * old_height // shorter), filter_)
        left, top = round((picture.width - width) / 2), round((picture.height - height) / 2)  # as the service does
        picture = picture.crop((left, top, left + width, top + height))
    pixels = np.asarray(picture, dtype=np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def adapt(dataset: Dataset, preprocessing: "Preprocessing") -> Dataset:
    """The same data set in the size and colours of the preprocessing, with a note that says what was changed."""
    height, width, channels = dataset.train.pixels.shape[1:]
    wanted = (preprocessing.height, preprocessing.width, 1 if preprocessing.pixel_format == "gray8" else 3)
    if (height, width, channels) == wanted and preprocessing.resize_to is None:
        return dataset
    changes = []
    if channels != wanted[2]:
        changes.append("made grey" if wanted[2] == 1 else "given three equal channels")
    if (height, width) != wanted[:2]:
        changes.append(f"resized from {height} x {width} to {wanted[0]} x {wanted[1]}")
    elif preprocessing.resize_to is not None:
        changes.append(f"scaled to {preprocessing.resize_to} and cropped to {wanted[0]} x {wanted[1]} again")
    note = f"the pictures of {dataset.name} are {' and '.join(changes)} for the model"
    return replace(
        dataset,
        train=_adapted(dataset.train, preprocessing),
        test=_adapted(dataset.test, preprocessing),
        notes=(*dataset.notes, note),
    )


def _adapted(images: Images, preprocessing: "Preprocessing") -> Images:
    pictures = (Image.fromarray(p[..., 0] if p.shape[2] == 1 else p) for p in images.pixels)
    return Images(pixels=np.stack([fit_picture(p, preprocessing) for p in pictures]), labels=images.labels)
