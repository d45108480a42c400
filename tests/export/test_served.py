"""Images as the service gets them (export/served.py)."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from export.assemble import input_spec
from export.served import Pictures, prepare_image, serve, serve_splits
from training.checkpoint import Run
from training.config import Preprocessing
from training.data import Images, Splits, load
from training.data.geometry import fit_picture, turn_polarity
from training.data.picture import read_picture

PREPROCESSING = Preprocessing(
    pixel_format="rgb8", height=32, width=32, resize="shorter_side", resize_to=36, mean=(0.5,) * 3, std=(0.5,) * 3
)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Of many sizes and two kinds, one of which the service does not take."""
    random = np.random.default_rng(0)
    for number, kind in enumerate(("jpg", "png", "jpg", "tif", "jpg", "png")):
        folder = tmp_path / ("ants", "bees")[number % 2]
        folder.mkdir(exist_ok=True)
        coarse = random.integers(0, 256, size=(6 + number, 9, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((99 + 7 * number, 70 + 10 * number)).save(folder / f"{number}.{kind}")
    return tmp_path


def test_the_sample_reaches_the_graph_as_training_had_it(pictures: Pictures, splits: Splits) -> None:
    """Pixel for pixel, and the report says so."""
    np.testing.assert_array_equal(pictures.test.images.pixels, splits.test.pixels)
    assert (pictures.test.differing, pictures.test.refused) == (0, 0)
    assert str(pictures) == "350 encoded images on the service's way; every pixel as in training"


def test_files_are_sent_as_they_are(photographs: Path) -> None:
    """Decoded, scaled and cropped by the service; what it refuses is sent as PNG, and counted."""
    dataset = load("folder", photographs, PREPROCESSING)
    images = dataset.train
    served = serve(images, images, input_spec(PREPROCESSING))
    assert len(images.files) == len(images) == len(served.images)
    assert served.refused == sum(file.suffix == ".tif" for file in images.files)
    assert served.refused == 1
    assert np.abs(served.images.pixels.astype(int) - images.pixels.astype(int)).max() <= 2


@pytest.mark.parametrize("size", [(8192, 1), (3, 90), (1500, 100), (801, 100)])
def test_strips_are_cut_as_the_service_cuts_them(size: tuple[int, int], tmp_path: Path) -> None:
    """Longer than eight times their shorter side, and with an odd number of pixels too many."""
    for index in range(4):
        place = tmp_path / "ab"[index % 2] / f"{index}.png"
        place.parent.mkdir(exist_ok=True)
        noise = np.random.default_rng(index).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(place)
    images = load("folder", tmp_path, PREPROCESSING).train
    served = serve(images, images, input_spec(PREPROCESSING))
    assert np.abs(served.images.pixels.astype(int) - images.pixels.astype(int)).max() <= 2


def test_published_pictures_are_brought_to_size_by_the_service(splits: Splits) -> None:
    """28 x 28 files for a model of 32 x 32, as anybody would send them."""
    larger = Preprocessing(pixel_format="gray8", height=32, width=32, mean=(0.3,), std=(0.3,))
    grown = [fit_picture(Image.fromarray(pixels[..., 0]), larger) for pixels in splits.test.pixels]
    raw = Images(pixels=np.stack(grown), labels=splits.test.labels)
    served = serve(raw, splits.test, input_spec(larger))
    np.testing.assert_array_equal(served.images.pixels, raw.pixels)


def test_other_pixels_than_in_training_are_counted(run: Run, splits: Splits) -> None:
    """A service that does not know that training turned dark pictures bright."""
    negative = Images(pixels=255 - splits.test.pixels, labels=splits.test.labels)
    changed = Splits(train=splits.train, validation=splits.validation, test=negative)
    pictures = serve_splits(changed, changed, input_spec(run.record.preprocessing))
    assert 0 < pictures.test.differing <= 300
    assert f"{pictures.test.differing} have other pixels than in training" in str(pictures)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "I;16", "CMYK"])
@pytest.mark.parametrize("bright", [False, True])
@pytest.mark.parametrize("pixel_format", ["gray8", "rgb8"])
def test_training_reads_a_file_as_the_service_does(
    mode: str, bright: bool, pixel_format: Literal["gray8", "rgb8"], tmp_path: Path
) -> None:
    """Transparency on white, 16 bits scaled to 8, a bright ground inverted: not a pixel differs."""
    noise = np.random.default_rng(0).integers(0, 90, (40, 30, 3), dtype=np.uint8) + (160 if bright else 0)
    picture = Image.fromarray(noise.astype(np.uint8))
    picture = Image.fromarray(noise[..., 0].astype(np.uint16) * 257) if mode == "I;16" else picture.convert(mode)
    if mode in {"LA", "RGBA"}:
        picture.putalpha(Image.fromarray(noise[..., 1]))
    file = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    picture.save(file)
    channels = 1 if pixel_format == "gray8" else 3
    recipe = Preprocessing(
        pixel_format=pixel_format, height=28, width=28, polarity="bright_on_dark",
        mean=(0.5,) * channels, std=(0.5,) * channels,
    )  # fmt: skip
    fitted = fit_picture(read_picture(file, file.read_bytes()), recipe)
    trained, _ = turn_polarity(fitted[np.newaxis], recipe)
    served = prepare_image(file.read_bytes(), input_spec(recipe))
    rounding = 1 if mode == "CMYK" else 0  # of the service's own decoder
    assert np.abs(trained[0].astype(int) - served).max() <= rounding
