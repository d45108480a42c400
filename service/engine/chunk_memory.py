"""How images lie in the memory that is shared with a process that decodes them; both sides look at it through this.

Which image is being decoded, their sizes, the times that each took, the tensors, and behind them the encoded files.
"""

import math
import mmap
from collections.abc import Iterator, Sequence

import numpy as np

NUMBER_BYTES = 8
TIMES = 3
"""Of each image; see service.engine.decoded.Decoded."""


class ChunkMemory:
    """Views: whoever holds one holds the mapping."""

    def __init__(self, memory: mmap.mmap, images: int, shape: tuple[int, int, int]) -> None:
        """`shape` is that of one tensor."""
        self._memory = memory
        self._at_work = np.frombuffer(memory, dtype=np.int64, count=1)
        self._lengths = np.frombuffer(memory, dtype=np.int64, count=images, offset=NUMBER_BYTES)
        at = NUMBER_BYTES * (1 + images)
        self.times = np.frombuffer(memory, dtype=np.float64, count=TIMES * images, offset=at).reshape(images, TIMES)
        at += self.times.nbytes
        size = math.prod(shape)
        self.tensors = np.frombuffer(memory, dtype=np.uint8, count=size * images, offset=at).reshape(images, *shape)
        self._files_at = at + size * images

    @staticmethod
    def needed_bytes(files: Sequence[bytes], shape: tuple[int, int, int]) -> int:
        each = NUMBER_BYTES * (1 + TIMES) + math.prod(shape)
        return NUMBER_BYTES + each * len(files) + sum(map(len, files))

    @property
    def at_work(self) -> int:
        """The number of the image that is being decoded."""
        return int(self._at_work[0])

    def put(self, files: Sequence[bytes]) -> None:
        self._at_work[0] = 0
        self._lengths[:] = [len(file) for file in files]
        content = b"".join(files)
        self._memory[self._files_at : self._files_at + len(content)] = content

    def files(self) -> Iterator[bytes]:
        """One after the other, each when it is to be decoded."""
        at = self._files_at
        for number, length in enumerate(self._lengths.tolist()):
            self._at_work[0] = number
            yield self._memory[at : at + length]
            at += length
