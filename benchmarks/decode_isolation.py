"""What decoding in a process of its own costs, next to the same images decoded in a thread, in the same run: the time
until the tensors are there, and the processor time that the asking thread spends, in which no other may run Python.

.venv/bin/python benchmarks/decode_isolation.py
"""

import io
import statistics
import time

from PIL import Image

from service.engine.decode import ImageLimits
from service.engine.decode_pool import DecodePool
from service.engine.decoded import Target
from service.engine.decoders import Decoders, InProcesses, InThread
from service.models.manifest import InputSpec, PixelFormat

LIMITS = ImageLimits()
CASES = (
    ((28, 28), "PNG", 1, 1000),
    ((28, 28), "PNG", 128, 50),
    ((500, 375), "JPEG", 1, 300),
    ((500, 375), "JPEG", 16, 20),
    ((4000, 3000), "JPEG", 1, 10),
)


def encoded(size: tuple[int, int], kind: str) -> bytes:
    """A file of noise, which is the hardest to decode."""
    buffer = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def cost_of(decoders: Decoders, files: list[bytes], target: Target) -> tuple[float, float]:
    """Seconds, and seconds of the asking thread, for an image."""
    began, worked = time.perf_counter(), time.thread_time()
    if len(files) == 1:
        decoders.one(files[0], target)
    else:
        decoders.several(files, target, target.room(len(files)), small=True)
    return (time.perf_counter() - began) / len(files), (time.thread_time() - worked) / len(files)


def target_of(size: tuple[int, int]) -> Target:
    """Small pictures as they are, others at 224 pixels."""
    side = min(224, *size)
    return Target(
        spec=InputSpec(pixel_format=PixelFormat.RGB8, height=side, width=side, mean=(0.0,) * 3, std=(1.0,) * 3)
    )


def main() -> None:
    """Medians, the two ways taking turns."""
    pool = DecodePool(1, LIMITS, seconds=60)
    thread, process = InThread(LIMITS), InProcesses(pool)
    print(f"first process: {cost_of(process, [encoded((8, 8), 'PNG')], target_of((8, 8)))[0]:.2f} s")
    for size, kind, together, count in CASES:
        files, target = [encoded(size, kind)] * together, target_of(size)
        turns = [(*cost_of(thread, files, target), *cost_of(process, files, target)) for _ in range(count)]
        here, _, there, asking = (statistics.median(column) * 1e6 for column in zip(*turns, strict=True))
        print(
            f"{together} × {kind} {size[0]} × {size[1]}: thread {here:,.0f} µs, process {there:,.0f} µs "
            f"(× {there / here:.2f}), of which the asking thread {asking:,.0f} µs"
        )
    pool.close()


if __name__ == "__main__":
    main()
