"""Several images prepared at once: what each would be alone, in its place."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from service.engine.batcher import Row
from service.engine.decode import ImageLimits
from service.engine.decoding import Decoding
from service.engine.preparation import Preparation, Watch
from service.engine.response_cache import ResponseCache
from service.engine.time_columns import Column
from service.errors import ImageTooLarge, ImageUnreadable
from service.models.manifest import InputSpec, PixelFormat, Polarity
from tests.service.packages import encode

DARK = np.zeros((9, 7, 3), dtype=np.uint8)
DARK[3:6, 2:5] = (10, 200, 90)
BRIGHT = 255 - DARK


def preparation(
    pixel_format: PixelFormat = PixelFormat.GRAY8, *, polarity: Polarity = Polarity.AS_IS, watch: Watch = lambda _: None
) -> Preparation:
    channels = 1 if pixel_format is PixelFormat.GRAY8 else 3
    spec = InputSpec(
        pixel_format=pixel_format,
        height=4,
        width=5,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        polarity=polarity,
    )
    return Preparation(spec, ImageLimits(max_side=100), Decoding.EXACT, watch=watch)


@pytest.mark.parametrize("pixel_format", PixelFormat)
@pytest.mark.parametrize("polarity", Polarity)
def test_each_is_what_it_would_be_alone(pixel_format: PixelFormat, polarity: Polarity) -> None:
    """To the bit: sizes, colours and the polarity of each for itself."""
    subject = preparation(pixel_format, polarity=polarity)
    files = [encode(pixels) for pixels in (DARK, BRIGHT, DARK[:4, :5], BRIGHT[:4, :5], DARK[..., 0], BRIGHT[..., 1])]
    prepared = subject.prepare_all(files)
    assert prepared.tensors.tolist() == [subject.prepare(file).tensor.tolist() for file in files]
    assert prepared.places.tolist() == list(range(6))
    assert (prepared.times[Column.DECODE] > 0).all()
    assert np.isnan(prepared.times[Column.LOOKUP]).all()


def test_what_is_wrong_with_one_is_its_own() -> None:
    """The others stand side by side, and their places are known."""
    files = [b"", encode(DARK), b"nothing", encode(np.zeros((101, 2), dtype=np.uint8)), encode(BRIGHT)]
    prepared = preparation().prepare_all(files)
    assert (prepared.count, prepared.places.tolist(), len(prepared.tensors)) == (5, [1, 4], 2)
    assert {place: type(error) for place, error in prepared.errors.items()} == {
        0: ImageUnreadable,
        2: ImageUnreadable,
        3: ImageTooLarge,
    }


def test_no_images_are_no_tensors() -> None:
    """Nor are bad ones alone."""
    for files in ([], [b"bad"]):
        prepared = preparation(polarity=Polarity.BRIGHT_ON_DARK).prepare_all(files)
        assert (prepared.count, prepared.tensors.shape) == (len(files), (0, 4, 5, 1))


def test_those_that_are_known_are_not_decoded_again() -> None:
    """They are found by their file; the others know theirs, to be kept under it."""
    subject = preparation()
    subject.cache = ResponseCache(2**20).part_of("m", digest="d", precision="fp32")
    known, new = encode(DARK), encode(BRIGHT)
    row = Row(
        logits=np.ones(2, dtype=np.float32), embedding=None, queue_seconds=1.0, inference_seconds=1.0, batch_size=1
    )
    subject.keep(subject.prepare_or_recall(known), row)
    prepared = subject.prepare_all([new, known, b""])
    assert (prepared.places.tolist(), list(prepared.known), list(prepared.errors)) == ([0], [1], [2])
    assert prepared.files == [subject.prepare_or_recall(new).file]
    assert not math.isnan(prepared.times[Column.LOOKUP][0])
    kept = prepared.known[1].known
    assert kept is not None
    assert kept.logits.tolist() == [1.0, 1.0]


def test_whoever_watches_is_shown_the_tensor_of_each_row() -> None:
    """And where nobody looks, no row is even made."""
    seen: list[int] = []
    subject = preparation(watch=lambda rows: seen.extend(int(tensor.max()) + row.batch_size for tensor, row in rows))
    prepared = subject.prepare_all([encode(np.full((4, 5), value, dtype=np.uint8)) for value in (10, 20)])
    row = Row(
        logits=np.ones(2, dtype=np.float32), embedding=None, queue_seconds=0.0, inference_seconds=0.0, batch_size=2
    )
    subject.keep_all(prepared, lambda: iter([(0, row), (1, row)]))
    assert seen == [12, 22]

    taken: list[int] = []

    def rows() -> Iterator[tuple[int, Row]]:
        taken.append(0)
        yield 0, row

    preparation().keep_all(prepared, rows)
    assert taken == []
