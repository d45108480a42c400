"""A process that makes tensors of images and does nothing else: one line of JSON in for each chunk, one line out.

The encoded images come, and the tensors go, through shared memory; nothing is ever unpickled. What a hostile file does
to a decoder stays in here: the process has no network calls to make, no secrets in its environment, and limits on its
memory and its open files. Who runs it ends it when an image takes too long (decode_process.py).
"""

import json
import mmap
import resource
import signal
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from service.engine.chunk_memory import ChunkMemory
from service.engine.decode import ImageLimits
from service.engine.decoded import Target, decode_all
from service.models.manifest import InputSpec

BYTES_PER_PIXEL = 16
"""Decoded, with an alpha channel, converted, laid on white, turned upright."""
OTHER_BYTES = 512 * 2**20
"""The chunk, which grows, included."""
MOST_OPEN_FILES = 32
LONGEST_SECONDS = 1200
"""Twice what the settings let one image take: who would have ended this process is gone."""


def limit_resources(limits: ImageLimits) -> None:
    """Of memory: what there is now, and what the largest picture needs. No core dumps, which would hold the image."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    largest = limits.max_pixels * BYTES_PER_PIXEL + 4 * limits.max_bytes  # a file here, in the chunk before and after
    most = pages * resource.getpagesize() + largest + OTHER_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_OPEN_FILES, MOST_OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@lru_cache(maxsize=64)
def target_of(text: str) -> Target:
    """As `decode_process` writes it."""
    values = json.loads(text)
    return Target(spec=InputSpec.model_validate(values["spec"]), at_least=values["at_least"])


def answer(request: dict[str, Any], memory: mmap.mmap, limits: ImageLimits) -> dict[str, Any]:
    """Decodes what lies in the memory and puts the tensors there."""
    target = target_of(request["target"])
    chunk = ChunkMemory(memory, request["images"], target.shape)
    decoded = decode_all(_in_time(chunk.files()), target, limits, chunk.tensors)
    signal.alarm(0)
    chunk.times[: len(decoded.places)] = decoded.times
    return {
        "errors": [(place, error.reason, error.sentence, error.metadata) for place, error in decoded.errors.items()]
    }


def _in_time(files: Iterator[bytes]) -> Iterator[bytes]:
    """The system ends this process at an image that takes for ever, in whatever library that is."""
    for file in files:
        signal.alarm(LONGEST_SECONDS)
        yield file


def main() -> None:
    """Arguments: the descriptor of the shared memory, and the limits as JSON. Ends with its input."""
    descriptor, limits = int(sys.argv[1]), ImageLimits(**json.loads(sys.argv[2]))
    memory = mmap.mmap(descriptor, 0)
    limit_resources(limits)
    sys.stdout.write("{}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        request = json.loads(line)
        if request["memory_bytes"] > len(memory):
            memory = mmap.mmap(descriptor, request["memory_bytes"])
        sys.stdout.write(json.dumps(answer(request, memory, limits)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
