"""Decode + resize + crop, by our way and by Pillow's, turn by turn; processor time of one thread, medians.

Three kinds of file: 500 × 375 for a model of 224 pixels, once drawn and once, with `--images`, as photographs; and
12 megapixels. How much a scaled decode saves depends on the file, since its bits must be read all the same: each row
says how many bytes a pixel takes. The difference is the mean of |ours − Pillow's| on the scale from 0 to 255.

Example: .venv/bin/python benchmarks/decode.py --images photographs/ --json decode.json
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "proto")]

from benchmarks.pictures import draw_photographs
from benchmarks.report import Row, report
from service.engine.decode import ImageLimits, decode
from service.engine.decoding import Decoding, least_side
from service.engine.preprocess import preprocess
from service.models.manifest import InputSpec, PixelFormat, Resize

SIZE, RESIZE_TO = 224, 256
SPEC = InputSpec(
    pixel_format=PixelFormat.RGB8,
    height=SIZE,
    width=SIZE,
    resize=Resize.SHORTER_SIDE,
    resize_to=RESIZE_TO,
    mean=(0.0,) * 3,
    std=(1.0,) * 3,
)
LIMITS = ImageLimits()
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Files that are alike."""

    name: str
    files: tuple[bytes, ...]


def with_pillow(file: bytes) -> Pixels:
    """As a training script does it: the whole picture decoded and resized, then the centre."""
    with Image.open(io.BytesIO(file)) as picture:
        whole = picture.convert("RGB")
    width, height = whole.size
    shorter = min(width, height)
    size = (RESIZE_TO * width // shorter, RESIZE_TO * height // shorter)
    left, top = round((size[0] - SIZE) / 2), round((size[1] - SIZE) / 2)
    small = whole.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(small.crop((left, top, left + SIZE, top + SIZE)))


def decoded_with_pillow(file: bytes) -> None:
    """The decoder alone."""
    with Image.open(io.BytesIO(file)) as picture:
        picture.load()


def ours(decoding: Decoding) -> Callable[[bytes], Pixels]:
    at_least = least_side(SPEC, decoding)

    def prepare(file: bytes) -> Pixels:
        return preprocess(decode(file, pixel_format=SPEC.pixel_format, limits=LIMITS, at_least=at_least), SPEC)

    return prepare


def measure(kind: Kind, seconds: float) -> list[Row]:
    ways: dict[str, Callable[[bytes], object]] = {
        "Pillow": with_pillow,
        "Pillow, decoder alone": decoded_with_pillow,
        **{str(decoding): ours(decoding) for decoding in Decoding},
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    end = time.perf_counter() + seconds
    turn = 0
    while time.perf_counter() < end or turn < 3:
        file = kind.files[turn % len(kind.files)]
        for name, way in ways.items():
            began = time.thread_time()
            way(file)
            times[name].append(time.thread_time() - began)
        turn += 1
    middle = {name: statistics.median(values) for name, values in times.items()}
    bytes_per_pixel = statistics.mean(len(file) for file in kind.files) / _pixels(kind.files[0])
    return [
        {
            "files": kind.name,
            "bytes/pixel": bytes_per_pixel,
            "way": name,
            "CPU ms": 1000 * seconds,
            "of Pillow": seconds / middle["Pillow"],
            "of its decoder": seconds / middle["Pillow, decoder alone"],
            "difference": _difference(kind.files, ways[name]) if name in set(Decoding) else None,
        }
        for name, seconds in middle.items()
    ]


def _difference(files: Sequence[bytes], way: Callable[[bytes], object]) -> float:
    return statistics.mean(
        float(np.abs(np.asarray(way(file)).astype(int) - with_pillow(file)).mean()) for file in files[:20]
    )


def _pixels(file: bytes) -> int:
    with Image.open(io.BytesIO(file)) as picture:
        return picture.width * picture.height


def kinds(directory: Path | None) -> list[Kind]:
    found = [Kind(name="drawn, 500 × 375, quality 75", files=draw_photographs(12, quality=75))]
    if directory is not None:
        files = [path.read_bytes() for path in sorted(directory.rglob("*.jpg"))]
        alike = tuple(file for file in files if _pixels(file) == 500 * 375)[:40]
        found.append(Kind(name="photographs, 500 × 375", files=alike))
    found.append(Kind(name="drawn, 12 megapixels, quality 90", files=draw_photographs(2, height=3000, width=4000)))
    found.append(Kind(name="smooth, 12 megapixels, quality 75", files=(_smooth(3000, 4000),)))
    return found


def _smooth(height: int, width: int) -> bytes:
    """Next to no detail, as a cloudless sky or a slide."""
    chance = np.random.default_rng(0)
    coarse = Image.fromarray(chance.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="folder with photographs; those of 500 × 375 pixels are taken")
    parser.add_argument("--seconds", type=float, default=60, help="of measuring, shared by the kinds of file")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = kinds(given.images)
    rows = [row for kind in found for row in measure(kind, given.seconds / len(found))]
    report("decode", rows, file=given.json)


if __name__ == "__main__":
    main()
