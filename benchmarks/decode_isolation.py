"""What decoding in a process of its own costs, next to the same image decoded in a thread, in the same run.

.venv/bin/python benchmarks/decode_isolation.py
"""

import io
import statistics
import time

from PIL import Image

from service.engine.decode import Decode, ImageLimits, decode
from service.engine.decode_pool import DecodePool
from service.models.manifest import PixelFormat

LIMITS = ImageLimits()
CASES = (((28, 28), "PNG", 1000), ((500, 375), "JPEG", 300), ((4000, 3000), "JPEG", 10))


def encoded(size: tuple[int, int], kind: str) -> bytes:
    """A file of noise, which is the hardest to decode."""
    buffer = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def seconds_of(decoder: Decode, data: bytes) -> float:
    """One image."""
    began = time.perf_counter()
    decoder(data, pixel_format=PixelFormat.RGB8, limits=LIMITS)
    return time.perf_counter() - began


def main() -> None:
    """Medians, the two ways taking turns."""
    pool = DecodePool(1, LIMITS, seconds=60)
    print(f"first process: {seconds_of(pool.decode, encoded((8, 8), 'PNG')):.2f} s")
    for size, kind, count in CASES:
        data = encoded(size, kind)
        pairs = [(seconds_of(decode, data), seconds_of(pool.decode, data)) for _ in range(count)]
        thread, process = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
        print(
            f"{kind} {size[0]} × {size[1]}: thread {thread:.3f} ms, process {process:.3f} ms, × {process / thread:.2f}"
        )
    pool.close()


if __name__ == "__main__":
    main()
