"""Many small files of a caller who is in no hurry: decoded and computed in one go, by one thread of the session.

Where one thread decodes and others compute, images of a tiny network change hands all the time, and whoever waits for
the next ones leaves a core idle. Here each thread has work for milliseconds, and while one decodes another computes:
they take turns at decoding, which for small files is Python and runs in one thread at a time anyway.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from service.engine.batch_item import Computed
from service.engine.batcher import Batcher, Piece, Tensor
from service.engine.computed_images import ComputedChunk
from service.engine.header import announced_size
from service.engine.preparation import Preparation
from service.engine.priority import Priority
from service.engine.session import Outputs
from service.errors import DeadlineUnreachable, DeviceExhausted, QueueFull, ServiceError

if TYPE_CHECKING:
    from service.engine.prepared import PreparedImages

SMALL_BYTES = 4 * 2**10
"""Of a file: below that, most of the decoding is Python, which runs in one thread at a time, so that more threads would
mostly wait for each other.
"""
SMALL_PIXELS = 2**16
"""A file of few bytes may announce a picture that takes long to be decoded; it is left to the threads for that."""
PNG = b"\x89PNG\r\n\x1a\n"


class Files:
    """Neighbours of one request on their way; called by the thread that the session gives them."""

    def __init__(
        self, images: Sequence[bytes], preparation: Preparation, turns: threading.Semaphore, *, most: int
    ) -> None:
        """At most so many are computed together."""
        self._images = images
        self._preparation = preparation
        self._turns = turns
        self._most = most
        self.prepared: PreparedImages | None = None

    def __call__(self, run: Callable[[Tensor], Outputs]) -> Computed[Outputs]:
        """The outputs of those that could be decoded."""
        with self._turns:
            prepared = self.prepared = self._preparation.prepare_all(self._images)
        began, tensors = time.monotonic(), prepared.tensors
        batches = [run(tensors[at : at + self._most]) for at in range(0, len(tensors), self._most)]
        vectors = [batch.embeddings for batch in batches if batch.embeddings is not None]
        logits = [batch.logits for batch in batches]
        outputs = Outputs(
            logits=np.concatenate(logits) if logits else np.zeros((0, 1), dtype=np.float32),
            embeddings=np.concatenate(vectors) if vectors else None,
        )
        return Computed(
            results=[outputs], seconds=time.monotonic() - began, batch_size=min(self._most, max(1, len(tensors)))
        )


class Bulk:
    """The way of such files for one model. Lives on one event loop."""

    def __init__(self, batcher: Batcher, preparation: Preparation, *, at_once: int) -> None:
        """So many threads may decode at a time."""
        self._batcher = batcher
        self._preparation = preparation
        self._turns = threading.Semaphore(at_once)

    def size(self, images: Sequence[bytes], priority: Priority) -> int:
        """How many go together; 0 where they had better be decoded first and computed then."""
        if priority is not Priority.LOW or self._preparation.cache is not None:
            return 0
        most = self._batcher.bulk
        return most if most and len(images) > 1 and all(map(_is_small, images)) else 0

    async def computed(
        self, images: Sequence[bytes], *, deadline: float | None, priority: Priority
    ) -> ComputedChunk | None:
        """None where there is no room, time or memory for all of them at once, but maybe for some."""
        files = Files(images, self._preparation, self._turns, most=self._batcher.sizes.whole)
        try:
            timed = await self._batcher.submit_work(
                files, images=len(images), size_bytes=sum(map(len, images)), deadline=deadline, priority=priority
            )
        except (QueueFull, DeadlineUnreachable, DeviceExhausted):
            return None
        except ServiceError as error:
            return ComputedChunk(prepared=self._preparation.refused(len(images), error), pieces=[])
        assert files.prepared is not None, "they were computed"  # noqa: S101
        pieces = [Piece(images=len(timed.value.logits), outcome=timed)] if len(timed.value.logits) else []
        return ComputedChunk(prepared=files.prepared, pieces=pieces)


def _is_small(image: bytes) -> bool:
    """The formats whose decoders are no Python are left to others."""
    if len(image) > SMALL_BYTES or not image.startswith(PNG):
        return False
    size = announced_size(image, "PNG")
    return size is not None and size[0] * size[1] <= SMALL_PIXELS
