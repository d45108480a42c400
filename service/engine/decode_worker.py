"""A process that decodes images and does nothing else: one line of JSON in for each image, one line out.

The encoded image comes, and its pixels go, through shared memory; nothing is ever unpickled. What a hostile file does
to a decoder stays in here: the process has no network calls to make, no secrets in its environment, and limits on its
memory and its open files. Who runs it ends it when an image takes too long (decode_pool.py).
"""

import json
import math
import mmap
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np

from service.engine.decode import ImageLimits, decode
from service.errors import ServiceError
from service.models.manifest import PixelFormat

BYTES_PER_PIXEL = 16
"""Decoded, with an alpha channel, converted, laid on white, turned upright."""
OTHER_BYTES = 512 * 2**20
MOST_OPEN_FILES = 32


def limit_resources(max_pixels: int) -> None:
    """Of memory: what there is now, and what the largest picture needs. No core dumps, which would hold the image."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + max_pixels * BYTES_PER_PIXEL + OTHER_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_OPEN_FILES, MOST_OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer(request: dict[str, Any], memory: mmap.mmap, limits: ImageLimits) -> dict[str, Any]:
    """Decodes what lies in the memory and puts the pixels there."""
    data = memory[: request["length"]]
    try:
        pixels = decode(
            data, pixel_format=PixelFormat(request["pixel_format"]), limits=limits, at_least=request["at_least"]
        )
    except ServiceError as error:
        return {"reason": error.reason, "sentence": error.sentence, "metadata": error.metadata}
    shape = pixels.shape
    np.frombuffer(memory, dtype=np.uint8, count=math.prod(shape)).reshape(shape)[...] = pixels
    return {"shape": shape}


def main() -> None:
    """Arguments: the descriptor of the shared memory, its size, and the limits as JSON. Ends with its input."""
    descriptor, size = int(sys.argv[1]), int(sys.argv[2])
    limits = ImageLimits(**json.loads(sys.argv[3]))
    memory = mmap.mmap(descriptor, size)
    limit_resources(limits.max_pixels)
    sys.stdout.write("{}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line), memory, limits)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
