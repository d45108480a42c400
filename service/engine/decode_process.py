"""One process that decodes images (decode_worker.py), and the memory that is shared with it."""

import fcntl
import json
import mmap
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from service.engine.child import child_environment
from service.engine.chunk_memory import ChunkMemory
from service.engine.decode import ImageLimits
from service.engine.decoded import Decoded, Target, Tensors
from service.errors import ImageTooLarge, ImageUnreadable, ImageUnsupported, ServiceError

START_SECONDS = 60.0
"""For Python and the decoders' libraries to be there, on a machine that is busy."""
FIRST_BYTES = 2**20
"""Of the memory; it grows to what the largest chunk needed."""
LONGEST_ANSWER_BYTES = 2**20
LOOKS = 4
"""How often it is looked, in the time that one image may take, whether the process has come to the next."""
ERRORS: Mapping[str, type[ServiceError]] = MappingProxyType(
    {kind.reason: kind for kind in (ImageUnreadable, ImageUnsupported, ImageTooLarge)}
)


class Lost(Exception):
    """The process ended, or is to be ended; `image` is the number of the one that it was at."""

    def __init__(self, cause: str, *, image: int = 0, slow: bool = False) -> None:
        super().__init__(cause)
        self.image = image
        self.slow = slow


class DecodeProcess:
    """Asked by one thread at a time."""

    def __init__(self, limits: ImageLimits) -> None:
        """Returns when it is there. Raises Lost or OSError."""
        self._descriptor = os.memfd_create("images", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            fcntl.fcntl(
                self._descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK
            )  # or reading it could end this process
            self._grow(FIRST_BYTES)
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [
                    *(sys.executable, "-m", "service.engine.decode_worker"),
                    *(str(self._descriptor), json.dumps(asdict(limits))),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(self._descriptor,),
                env=child_environment(),
                start_new_session=True,  # a Ctrl-C at the terminal is for the server, which ends it in its own time
            )
        except BaseException:
            os.close(self._descriptor)
            raise
        self._answers = select.poll()
        self._answers.register(self._stream("stdout"), select.POLLIN)
        try:
            self._read_line(START_SECONDS)
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def decode(self, images: Sequence[bytes], target: Target, out: Tensors, *, seconds: float) -> Decoded:
        """All in one go; the tensors are put into `out`. Raises Lost, also where one image takes so many seconds."""
        needed = ChunkMemory.needed_bytes(images, target.shape)
        if needed > len(self._memory):
            self._grow(1 << (needed - 1).bit_length())
        chunk = ChunkMemory(self._memory, len(images), target.shape)
        chunk.put(images)
        request = {"images": len(images), "memory_bytes": len(self._memory), "target": _as_text(target)}
        try:
            os.write(self._stream("stdin"), json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise Lost("it was gone") from error
        answer = self._read_line(seconds, lambda: min(max(0, chunk.at_work), len(images) - 1))
        try:
            errors = {place: ERRORS[reason](sentence, **facts) for place, reason, sentence, facts in answer["errors"]}
        except (LookupError, TypeError, ValueError) as error:
            raise Lost("it answered nonsense") from error
        places = np.array([place for place in range(len(images)) if place not in errors], dtype=np.intp)
        if len(places) + len(errors) != len(images):  # an error of an image that there is not
            raise Lost("it answered nonsense")
        out[: len(places)] = chunk.tensors[: len(places)]
        return Decoded(places=places, times=chunk.times[: len(places)].copy(), errors=errors)

    def end(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._process.wait()
        os.close(self._descriptor)
        with suppress(BufferError):  # a view of it is still being let go of
            self._memory.close()

    def _grow(self, size: int) -> None:
        """The process maps it anew when it sees the size. Who still has a view of the old mapping keeps that."""
        os.ftruncate(self._descriptor, size)
        self._memory = mmap.mmap(self._descriptor, size)

    def _stream(self, name: str) -> int:
        return int(getattr(self._process, name).fileno())

    def _read_line(self, seconds: float, at_work: Callable[[], int] = lambda: 0) -> dict[str, Any]:
        """So many seconds for each image that it is at. Those in which this process is paused too do not count."""
        line, image, looks = b"", 0, 0
        while not line.endswith(b"\n"):
            if not self._answers.poll(1000 * seconds / LOOKS):
                looks += 1
                if (now_at := at_work()) > image:
                    image, looks = now_at, 0
                elif looks >= LOOKS:
                    raise Lost("it took too long", image=image, slow=True)
                continue
            part = os.read(self._stream("stdout"), 65_536)
            if not part:
                raise Lost("it ended", image=at_work())
            line += part
            if len(line) > LONGEST_ANSWER_BYTES:
                raise Lost("it answered nonsense", image=at_work())
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise Lost("it answered nonsense") from error
        return answer


@lru_cache(maxsize=64)
def _as_text(target: Target) -> str:
    return json.dumps({"spec": target.spec.model_dump(mode="json"), "at_least": target.at_least})
