"""Decoding in processes of their own: what breaks a decoder costs one image, and Python's threads are left to others.

Several images go to a process at once. One that ends is replaced, and its images are tried once more, alone, because
it may have been ended by somebody else; a second end, or a time that is too long, refuses the image. Where no process
can be started the images are not to blame.
"""

import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import structlog

from service.engine.decode import ImageLimits
from service.engine.decode_process import DecodeProcess, Lost
from service.engine.decoded import Decoded, Target, Tensors, joined, refused
from service.errors import DecoderUnavailable, ImageUnreadable, ServiceError

TRIES = 2
"""Of an image alone."""
MOST_STARTS = 5
"""In a row: a process that ends before it was given anything says nothing of the image."""
MOST_ENDS = 10
ENDS_WITHIN_SECONDS = 60.0
"""So many processes that end in such a time, with no image decoded in between, are no hostile images any more."""
NEXT_START_SECONDS = 60.0
"""After one in the background has failed."""
TOGETHER_IMAGES = 256
TOGETHER_BYTES = 8 * 2**20
"""Most that a process is given at once, files and tensors; a single image may be larger."""

log = structlog.get_logger("service.decode")


class DecodePool:
    """As many processes as threads that may ask; each is started when one is wanted and none is free."""

    def __init__(self, processes: int, limits: ImageLimits, *, seconds: float) -> None:
        """`seconds` is what one image may take. Nothing is started yet."""
        self._limits = limits
        self._seconds = seconds
        self._ends: deque[float] = deque(maxlen=MOST_ENDS)
        self._free: list[DecodeProcess] = []
        self._startable = processes
        self._change = threading.Condition()
        self._start_again_at = 0.0
        self._end = weakref.finalize(self, _end_all, self._free)

    def decode(self, images: Sequence[bytes], target: Target, out: Tensors) -> Decoded:
        """Fills `out` as `decode_all` does. Waits for a free process where all are at work.

        Where none can be started, DecoderUnavailable is the images' error.
        """
        return self._in_turn(images, _rounds(images, math.prod(target.shape)), target, out)

    def has_one_free(self) -> bool:
        """At once; where none is, one begins to start in the background if there is room for it."""
        with self._change:
            if self._free:
                return True
            if not self._startable or time.monotonic() < self._start_again_at:
                return False
            self._startable -= 1
        try:
            threading.Thread(target=self._start_beside, name="decoder-start", daemon=True).start()
        except RuntimeError:  # the system gives no more threads
            self._start_again_at = time.monotonic() + NEXT_START_SECONDS
            self._give(None)
        return False

    @property
    def trouble(self) -> str:
        """What is wrong where process after process ends; nothing where nothing is."""
        ends = list(self._ends)
        if len(ends) < MOST_ENDS or time.monotonic() - ends[0] > ENDS_WITHIN_SECONDS:
            return ""
        return f"The last {MOST_ENDS} processes that were to decode images have ended, and no image was decoded."

    def pids(self) -> list[int]:
        """Of the processes that are there and not at work."""
        with self._change:
            return [process.pid for process in self._free]

    def close(self) -> None:
        """Ends every process that is not at work; it is done too when nobody holds the pool any more."""
        self._end()

    def _in_turn(
        self,
        images: Sequence[bytes],
        rounds: Iterable[tuple[int, int]],
        target: Target,
        out: Tensors,
        *,
        slow: int | None = None,
    ) -> Decoded:
        """The image `slow` has had its time."""
        parts, good = [], 0
        for start, end in rounds:
            if start == slow:
                part = refused(1, self._no_answer())
            elif end - start == 1:
                part = self._alone(images[start], target, out[good:])
            else:
                part = self._together(images[start:end], target, out[good:])
            parts.append((start, part))
            good += len(part.places)
        return parts[0][1] if len(parts) == 1 else joined(parts)

    def _together(self, images: Sequence[bytes], target: Target, out: Tensors) -> Decoded:
        """In one process; where that is lost, one by one."""
        try:
            return self._in_process(images, target, out)
        except Lost as lost:
            singles = ((place, place + 1) for place in range(len(images)))
            return self._in_turn(images, singles, target, out, slow=lost.image if lost.slow else None)
        except ServiceError as error:
            return refused(len(images), error)

    def _alone(self, image: bytes, target: Target, out: Tensors) -> Decoded:
        try:
            self._limits.check_bytes(image)
            for _ in range(TRIES):
                try:
                    return self._in_process((image,), target, out)
                except Lost as lost:
                    if lost.slow:
                        break
        except ServiceError as error:
            return refused(1, error)
        return refused(1, self._no_answer())

    def _no_answer(self) -> ServiceError:
        return ImageUnreadable(
            f"The image could not be decoded within {self._seconds:g} s, or broke its decoder; save it anew."
        )

    def _in_process(self, images: Sequence[bytes], target: Target, out: Tensors) -> Decoded:
        """Raises Lost, or DecoderUnavailable."""
        process = self._take()
        try:
            decoded = process.decode(images, target, out, seconds=self._seconds)
        except BaseException as error:  # whatever it is, an answer may be on its way that nobody waits for
            if isinstance(error, Lost):
                size = len(images[error.image])
                self._ends.append(time.monotonic())
                log.warning("decoder lost", pid=process.pid, cause=str(error), images=len(images), image_bytes=size)
            process.end()
            self._give(None)
            raise
        self._ends.clear()
        self._give(process)
        return decoded

    def _take(self) -> DecodeProcess:
        """Raises DecoderUnavailable."""
        with self._change:
            self._change.wait_for(lambda: self._free or self._startable)
            if self._free:
                return self._free.pop()  # the one that was at work last, so that others are only started where needed
            self._startable -= 1
        try:
            return self._started()
        except BaseException:
            self._give(None)
            raise

    def _give(self, process: DecodeProcess | None) -> None:
        """Back, or the right to start another."""
        with self._change:
            if process is None or not self._end.alive:
                self._startable += 1
            else:
                self._free.append(process)
            self._change.notify()
        if process is not None and not self._end.alive:
            process.end()

    def _started(self) -> DecodeProcess:
        """Raises DecoderUnavailable where none can be started."""
        cause: Exception | None = None
        for attempt in range(1, MOST_STARTS + 1):
            try:
                return DecodeProcess(self._limits)
            except (Lost, OSError) as error:  # it ended, or the system gives no process or no memory
                cause = error
                self._ends.append(time.monotonic())
                log.warning("decoder did not start", cause=str(error), attempt=attempt)
        raise DecoderUnavailable(
            "No process to decode the image in could be started; try again shortly, or send to another replica."
        ) from cause

    def _start_beside(self) -> None:
        process: DecodeProcess | None = None
        try:
            process = self._started()
        except DecoderUnavailable:
            self._start_again_at = time.monotonic() + NEXT_START_SECONDS
        finally:
            self._give(process)


def _rounds(images: Sequence[bytes], tensor_bytes: int) -> Iterator[tuple[int, int]]:
    """Where those begin and end that go together."""
    start = size = 0
    for place, image in enumerate(images):
        if place > start and (place - start == TOGETHER_IMAGES or size + len(image) + tensor_bytes > TOGETHER_BYTES):
            yield start, place
            start, size = place, 0
        size += len(image) + tensor_bytes
    if images:
        yield start, len(images)


def _end_all(free: list[DecodeProcess]) -> None:
    with suppress(IndexError):
        while True:
            free.pop().end()
