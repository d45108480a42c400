"""What the checks of every door share: pictures, and a call that must be refused. Runs where only tritonclient is."""

import struct
import zlib
from collections.abc import Awaitable, Callable

import numpy as np
import numpy.typing as npt
from tritonclient.utils import InferenceServerException  # type: ignore[import-not-found] # only in its own environment

PACKAGE = "thirds"
LABELS = ("left", "middle", "right")
HEIGHT, WIDTH = 8, 12
DATATYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}


def picture(place: int) -> npt.NDArray[np.uint8]:
    """Pixels whose third number `place` is bright: `[8, 12, 1]`."""
    pixels = np.full((HEIGHT, WIDTH, 1), 20, dtype=np.uint8)
    pixels[:, place * 4 : place * 4 + 4] = 240
    return pixels


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Grey pixels as a PNG file, by hand, since there is no image library here."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def images(count: int) -> npt.NDArray[np.object_]:
    """Encoded pictures, left, middle, right and so on."""
    return np.array([png(picture(place % 3)) for place in range(count)], dtype=np.object_)


def sample(datatype: str) -> npt.NDArray[np.generic]:
    """Two rows of three values."""
    if datatype == "BYTES":
        return np.array([[b"a", b"", "é".encode()], [b"x" * 300, b"0", b"\n"]], dtype=np.object_)
    return np.array([[0, 1, 0], [1, 1, 0]], dtype=DATATYPES[datatype])


def refused(call: Callable[[], object], text: str, status: str | None = None) -> None:
    """The call must raise with this text, and with this status where one is given."""
    try:
        call()
    except InferenceServerException as error:
        _compare(error, text, status)
        return
    raise AssertionError(f"was answered instead of refused: {text}")


async def refused_async(call: Callable[[], Awaitable[object]], text: str, status: str | None = None) -> None:
    """The same for a coroutine."""
    try:
        await call()
    except InferenceServerException as error:
        _compare(error, text, status)
        return
    raise AssertionError(f"was answered instead of refused: {text}")


def _compare(error: InferenceServerException, text: str, status: str | None) -> None:
    assert text in error.message(), error.message()
    if status is not None:
        assert str(error.status()).removeprefix("StatusCode.") == status, error.status()
