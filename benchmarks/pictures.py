"""Pictures to send: photographs of a folder, or drawn ones, so that no data set is needed."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

PICTURES = 16


def photographs(directory: Path | None) -> tuple[bytes, ...]:
    """JPEG files of a directory, at most 64 of them, or drawn ones of 500 × 375."""
    if directory is None:
        return draw_photographs(PICTURES)
    return tuple(path.read_bytes() for path in sorted(directory.rglob("*.jpg"))[:64])


def draw_photographs(count: int, *, height: int = 375, width: int = 500, quality: int = 90) -> tuple[bytes, ...]:
    """JPEG files with edges, gradients and grain: about 70 kB each at the default size, as photographs have."""
    return tuple(_photograph(np.random.default_rng(seed), height, width, quality) for seed in range(count))


def _photograph(chance: np.random.Generator, height: int, width: int, quality: int) -> bytes:
    coarse = Image.fromarray(chance.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    fine = Image.fromarray(chance.integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8))
    ground = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    detail = np.asarray(fine.resize((width, height), Image.Resampling.NEAREST), dtype=np.float32) - 128
    grain = chance.normal(0, 4, (height, width, 1))
    pixels = np.clip(ground + 0.15 * detail + grain, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.6)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
