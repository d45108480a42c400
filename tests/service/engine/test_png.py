"""Plain PNG files: the pixels of Pillow's reader, or nothing where anything in the file could change them."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.engine.png import SILENT, plain_png

RANDOM = np.random.default_rng(5)
SIGNATURE = b"\x89PNG\r\n\x1a\n"
Chunk = tuple[bytes, bytes]


def encoded(picture: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()


def noise(mode: str, size: tuple[int, int]) -> Image.Image:
    width, height = size
    return Image.fromarray(RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


def slope(mode: str, size: tuple[int, int]) -> Image.Image:
    """What encoders choose filters for."""
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    return Image.fromarray((rows * 3 + columns * 2 + (rows * columns) // 7).astype(np.uint8)).convert(mode)


def chunks_of(data: bytes) -> list[Chunk]:
    chunks, at = [], len(SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def file_of(chunks: list[Chunk]) -> bytes:
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def by_the_reader(data: bytes) -> Image.Image | None:
    """None where the reader finds the file broken."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            picture.load()
            return picture
    except Exception:  # noqa: BLE001 - as the service does
        return None


def assert_same(data: bytes) -> None:
    fast, slow = plain_png(data), by_the_reader(data)
    assert fast is not None
    assert slow is not None
    assert (fast.mode, fast.size, fast.tobytes()) == (slow.mode, slow.size, slow.tobytes())


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [(1, 1), (28, 28), (3, 300), (257, 190)])
def test_plain_files_have_the_reader_s_pixels(mode: str, size: tuple[int, int]) -> None:
    """Noise, slopes that are filtered in all ways, with much and with no compression; pixels in many chunks too."""
    for picture in (noise(mode, size), slope(mode, size)):
        for level in (0, 9):
            data = encoded(picture, compress_level=level)
            assert_same(data)
            header, *pixels, end = chunks_of(data)
            whole = b"".join(body for _, body in pixels)
            assert_same(file_of([header, *((b"IDAT", whole[at : at + 97]) for at in range(0, len(whole), 97)), end]))


@pytest.mark.parametrize("filtered", range(5))
def test_every_filter_of_a_row_is_undone(filtered: int) -> None:
    """All five of the format, by the number that stands before each row."""
    rows = RANDOM.integers(0, 256, (9, 1 + 7 * 3), dtype=np.uint8)
    rows[:, 0] = filtered
    header = struct.pack(">IIBBBBB", 7, 9, 8, 2, 0, 0, 0)
    assert_same(file_of([(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")]))


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize("place", [1, -1])
def test_chunks_that_say_nothing_of_the_pixels_are_passed_over(name: bytes, place: int) -> None:
    """Before the pixels and behind them; where they are too short or damaged the reader must look."""
    chunks = chunks_of(encoded(slope("L", (8, 6))))
    silent = (name, bytes(range(SILENT[name])))
    data = file_of([*chunks[:place], silent, *chunks[place:]])
    assert_same(data)
    assert plain_png(data.replace(name + b"\0", name + b"\1")) is None
    assert plain_png(file_of([*chunks[:place], (name, silent[1][1:]), *chunks[place:]])) is None


def test_whatever_could_change_the_pixels_is_left_to_the_reader() -> None:
    """Other depths and modes, interlacing, transparency, the camera's orientation, texts, animations."""
    picture, exif, text = slope("RGB", (8, 6)), Image.Exif(), PngInfo()
    exif[0x0112] = 6
    text.add_text("a", "b")
    interlaced = chunks_of(encoded(picture))
    interlaced[0] = (b"IHDR", interlaced[0][1][:-1] + b"\x01")
    files = [
        *(encoded(picture.convert(mode)) for mode in ("1", "P", "LA", "RGBA", "I;16")),
        encoded(picture, transparency=(1, 2, 3)),
        encoded(picture, exif=exif),
        encoded(picture, pnginfo=text),
        encoded(picture, icc_profile=b"profile"),
        encoded(picture, save_all=True, append_images=[noise("RGB", (8, 6))]),
        file_of(interlaced),
    ]
    assert [plain_png(data) for data in files] == [None] * len(files)
    assert all(by_the_reader(data) for data in files[:-1])


def test_what_is_damaged_is_never_more_than_the_reader_sees_in_it() -> None:
    """Bytes changed, cut out and put in at random: either the same pixels or none."""
    chunks = chunks_of(encoded(slope("L", (9, 7))))
    good = file_of([chunks[0], (b"pHYs", bytes(9)), *chunks[1:-1], (b"tIME", bytes(7)), chunks[-1]])
    seen = 0
    for _ in range(2000):
        data = bytearray(good)
        at = int(RANDOM.integers(8, len(data)))
        data[at : at + int(RANDOM.integers(0, 3))] = RANDOM.bytes(int(RANDOM.integers(0, 3)))
        if plain_png(bytes(data)) is not None:
            seen += 1
            assert_same(bytes(data))
    assert 0 < seen < 2000
    for length in range(len(good)):
        assert plain_png(good[:length]) is None


@pytest.mark.parametrize("side", [2**31, 2**32 - 1])
def test_a_size_beyond_all_numbers_is_left_to_the_reader(side: int) -> None:
    """Even where nobody has looked at it before."""
    header = struct.pack(">IIBBBBB", side, 1, 8, 0, 0, 0, 0)
    assert plain_png(file_of([(b"IHDR", header), (b"IDAT", zlib.compress(bytes(9))), (b"IEND", b"")])) is None
