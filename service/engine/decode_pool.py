"""Decoding in processes of their own (`decode_isolation = process`): what breaks a decoder costs one image.

A process that ends is replaced, and its image is tried once more, because it may have been ended by somebody else; a
second end, or a time that is too long, refuses the image. Where none can be started the image is not to blame.
"""

import json
import math
import mmap
import os
import queue
import select
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import numpy as np
import structlog

from service.engine.child import child_environment
from service.engine.decode import ImageLimits
from service.engine.jpeg import Pixels
from service.errors import DecoderUnavailable, ImageTooLarge, ImageUnreadable, ImageUnsupported, ServiceError
from service.models.manifest import PixelFormat

START_SECONDS = 60.0
"""For Python and the decoders' libraries to be there, on a machine that is busy."""
MOST_STARTS = 5
"""In a row: a process that ends before it was given anything says nothing of the image."""
MOST_ENDS = 10
ENDS_WITHIN_SECONDS = 60.0
"""So many processes that end in such a time, with no image decoded in between, are no hostile images any more."""
ERRORS: Mapping[str, type[ServiceError]] = MappingProxyType(
    {kind.reason: kind for kind in (ImageUnreadable, ImageUnsupported, ImageTooLarge)}
)

log = structlog.get_logger("service.decode")


class _Lost(Exception):
    """The process ended, or was ended because it took too long."""


class _Worker:
    """One process and the memory that is shared with it. Asked by one thread at a time."""

    def __init__(self, limits: ImageLimits) -> None:
        self._size = max(limits.max_pixels * 3, limits.max_bytes)
        descriptor = os.memfd_create("image")
        try:
            os.ftruncate(descriptor, self._size)
            self._memory = mmap.mmap(descriptor, self._size)
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [
                    *(sys.executable, "-m", "service.engine.decode_worker"),
                    *(str(descriptor), str(self._size), json.dumps(asdict(limits))),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(descriptor,),
                env=child_environment(),
                start_new_session=True,  # a Ctrl-C at the terminal is for the server, which ends it in its own time
            )
        finally:
            os.close(descriptor)
        try:
            self._read_line(START_SECONDS)
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def decode(self, data: bytes, pixel_format: PixelFormat, at_least: float | None, *, seconds: float) -> Pixels:
        """Raises _Lost, or what `decode` raises."""
        self._memory[: len(data)] = data
        request = {"length": len(data), "pixel_format": pixel_format.value, "at_least": at_least}
        try:
            os.write(self._stream("stdin"), json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise _Lost("it was gone") from error
        answer = self._read_line(seconds)
        if "reason" in answer:
            raise ERRORS[answer["reason"]](answer["sentence"], **answer["metadata"])
        shape = tuple(answer["shape"])
        pixels = np.frombuffer(self._memory, dtype=np.uint8, count=math.prod(shape)).reshape(shape)
        return pixels.copy()

    def end(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._process.wait()
        with suppress(BufferError):  # an array over it is still being let go of
            self._memory.close()

    def _stream(self, name: str) -> int:
        return int(getattr(self._process, name).fileno())

    def _read_line(self, seconds: float) -> dict[str, Any]:
        descriptor, end, line = self._stream("stdout"), time.monotonic() + seconds, b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise _Lost("it took too long")
            part = os.read(descriptor, 65_536)
            if not part:
                raise _Lost("it ended")
            line += part
        answer: dict[str, Any] = json.loads(line)
        return answer


class DecodePool:
    """As many processes as threads that may ask. `decode` has the form of service.engine.decode.decode."""

    def __init__(self, processes: int, limits: ImageLimits, *, seconds: float) -> None:
        """`seconds` is what one image may take. Nothing is started yet."""
        self._limits = limits
        self._seconds = seconds
        self._ends: deque[float] = deque(maxlen=MOST_ENDS)
        self._places: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(processes):
            self._places.put(None)
        self._end = weakref.finalize(self, _end_all, self._places)

    def decode(
        self, data: bytes, *, pixel_format: PixelFormat, limits: ImageLimits, at_least: float | None = None
    ) -> Pixels:
        """Waits for a free process where all are at work. Raises what `decode` raises, or DecoderUnavailable."""
        limits.check_bytes(data)
        worker = self._places.get()
        try:
            for last in (False, True):
                worker = worker or self._started()
                try:
                    pixels = worker.decode(data, pixel_format, at_least, seconds=self._seconds)
                except _Lost as lost:
                    self._ends.append(time.monotonic())
                    log.warning("decoder lost", pid=worker.pid, cause=str(lost), image_bytes=len(data), again=not last)
                    worker.end()
                    worker = None
                    if last or str(lost) == "it took too long":
                        break
                except ServiceError:
                    self._ends.clear()
                    raise
                else:
                    self._ends.clear()
                    return pixels
        finally:
            self._places.put(worker)
        raise ImageUnreadable(
            f"The image could not be decoded within {self._seconds:g} s, or broke its decoder; save it anew."
        )

    @property
    def trouble(self) -> str:
        """What is wrong where process after process ends; nothing where nothing is."""
        ends = list(self._ends)
        if len(ends) < MOST_ENDS or time.monotonic() - ends[0] > ENDS_WITHIN_SECONDS:
            return ""
        return f"The last {MOST_ENDS} processes that were to decode images have ended, and no image was decoded."

    def _started(self) -> _Worker:
        """Raises DecoderUnavailable where none can be started."""
        cause: Exception | None = None
        for attempt in range(1, MOST_STARTS + 1):
            try:
                return _Worker(self._limits)
            except (_Lost, OSError) as error:  # it ended, or the system gives no process or no memory
                cause = error
                self._ends.append(time.monotonic())
                log.warning("decoder did not start", cause=str(error), attempt=attempt)
        raise DecoderUnavailable(
            "No process to decode the image in could be started; try again shortly, or send to another replica."
        ) from cause

    def pids(self) -> list[int]:
        """Of the processes that are there."""
        return [worker.pid for worker in list(self._places.queue) if worker is not None]

    def close(self) -> None:
        """Ends every process that is not at work; it is done too when nobody holds the pool any more."""
        self._end()


def _end_all(places: queue.LifoQueue[_Worker | None]) -> None:
    with suppress(queue.Empty):
        while True:
            worker = places.get_nowait()
            if worker is not None:
                worker.end()
