"""The way of one image: decode → preprocess → batcher → session → postprocess, with a clock on each stage."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from service.engine.batcher import Batcher, Row
from service.engine.decode import Decode, ImageLimits, decode
from service.engine.decoding import Decoding
from service.engine.postprocess import Classification, classifications_of
from service.engine.preparation import Preparation, Prepared
from service.engine.priority import Priority
from service.engine.response_cache import CachePart
from service.engine.times import Stage, Times, times_of
from service.errors import ServiceError
from service.models.manifest import Calibration, InputSpec

CHUNKS_OF_A_REQUEST = 8
"""Most parts that a large request is decoded in, side by side: to hand one to a thread costs as much as two images."""

Result = TypeVar("Result")
ObserveStage = Callable[[Stage, Sequence[float]], None]
"""Told of a stage of several images, in seconds."""
Computed: TypeAlias = tuple[Prepared, Row]
"""An image as the model took it, and what the model says of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one image."""

    classification: Classification
    times: Times


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """One image as a vector."""

    vector: npt.NDArray[np.float32]  # (embedding_size,)
    times: Times


class Classifier:
    """One version of one model: encoded images in, ranked labels out. Neither knows gRPC nor holds files."""

    def __init__(
        self,
        *,
        spec: InputSpec,
        labels: Sequence[str],
        calibration: Calibration,
        limits: ImageLimits,
        batcher: Batcher,
        workers: ThreadPoolExecutor,
        chunk_images: int = 16,
        decoding: Decoding = Decoding.EXACT,
        decode: Decode = decode,
        observe: ObserveStage = lambda _stage, _seconds: None,
        observe_image: Callable[[Times], None] = lambda _times: None,
        observe_row: Callable[[Prepared, Row], None] = lambda _prepared, _row: None,
    ) -> None:
        self._preparation = Preparation(spec, limits, decoding, decode=decode, watch=observe_row)
        self._labels = labels
        self._calibration = calibration
        self._batcher = batcher
        self._workers = workers
        self._chunk_images = chunk_images
        self._observe = observe
        self._observe_image = observe_image
        self._requests = 0
        self._empty = asyncio.Event()
        self._empty.set()

    async def classify(
        self,
        image: bytes,
        *,
        top_k: int,
        min_confidence: float | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> Answer:
        """One encoded image in, its labels out. Raises a ServiceError."""
        with self._inside():
            prepare = self._preparation.prepare_or_recall
            prepared = await asyncio.get_running_loop().run_in_executor(self._workers, prepare, image)
            row = await self._row(prepared, deadline, priority)
        (answer,) = self._answers([(prepared, row)], top_k, min_confidence)
        return answer

    async def classify_many(
        self,
        images: Sequence[bytes],
        *,
        top_k: int,
        min_confidence: float | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> list[Answer | ServiceError]:
        """An answer or an error for each image, in order; a bad image never harms its neighbours."""
        return await self._each(
            images, deadline, priority, lambda computed: self._answers(computed, top_k, min_confidence)
        )

    async def embed_many(
        self, images: Sequence[bytes], *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> list[Embedded | ServiceError]:
        """An embedding or an error for each image, in order, of a model that gives embeddings."""
        return await self._each(images, deadline, priority, self._embedded)

    async def compute_many(
        self, images: Sequence[bytes], *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> list[Computed | ServiceError]:
        """The model's outputs, with what each image cost, or an error, in order."""
        return await self._each(images, deadline, priority, lambda computed: computed)

    async def compute(
        self, image: bytes, *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> tuple[Prepared, Row]:
        """One encoded image in, the model's input and its outputs back, never from memory. Raises a ServiceError."""
        with self._inside():
            loop = asyncio.get_running_loop()
            prepared = await loop.run_in_executor(self._workers, self.prepare, image)
            return prepared, await self._batcher.submit(prepared.tensor, deadline=deadline, priority=priority)

    async def quiet(self) -> None:
        """Returns when no request is being worked on; for a version that is given no new ones."""
        await self._empty.wait()

    @contextmanager
    def _inside(self) -> Iterator[None]:
        self._requests += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._requests -= 1
            if self._requests == 0:
                self._empty.set()

    async def _each(
        self,
        images: Sequence[bytes],
        deadline: float | None,
        priority: Priority,
        finish: Callable[[Sequence[Computed]], Sequence[Result]],
    ) -> list[Result | ServiceError]:
        async def chunk(part: Sequence[bytes]) -> list[Result | ServiceError]:
            prepared = await asyncio.get_running_loop().run_in_executor(
                self._workers, self._preparation.prepare_all, part
            )
            rows = await self._rows([item for item in prepared if isinstance(item, Prepared)], deadline, priority)
            results = iter(finish([row for row in rows if not isinstance(row, ServiceError)]))
            answers = iter([row if isinstance(row, ServiceError) else next(results) for row in rows])
            return [item if isinstance(item, ServiceError) else next(answers) for item in prepared]

        size = max(self._chunk_images, math.ceil(len(images) / CHUNKS_OF_A_REQUEST))
        with self._inside():
            chunks = await asyncio.gather(*(chunk(images[at : at + size]) for at in range(0, len(images), size)))
        return [result for part in chunks for result in part]

    def prepare(self, image: bytes, *, decoding: Decoding | None = None) -> Prepared:
        """What `Preparation.prepare` gives."""
        return self._preparation.prepare(image, decoding=decoding)

    def remember_in(self, cache: CachePart) -> None:
        """From now on outputs are kept, and found again where the same file comes once more."""
        self._preparation.cache = cache

    async def _row(self, prepared: Prepared, deadline: float | None, priority: Priority) -> Row:
        if prepared.known is not None:
            return prepared.known
        row = await self._batcher.submit(prepared.tensor, deadline=deadline, priority=priority)
        self._preparation.keep(prepared, row)
        return row

    async def _rows(
        self, prepared: Sequence[Prepared], deadline: float | None, priority: Priority
    ) -> list[Computed | ServiceError]:
        tensors = [item.tensor for item in prepared if item.known is None]
        found = iter(await self._batcher.submit_each(tensors, deadline=deadline, priority=priority))
        rows: list[Computed | ServiceError] = []
        for item in prepared:
            row = next(found) if item.known is None else item.known
            if isinstance(row, ServiceError):
                rows.append(row)
                continue
            if item.known is None:
                self._preparation.keep(item, row)
            rows.append((item, row))
        return rows

    def _answers(self, computed: Sequence[Computed], top_k: int, min_confidence: float | None) -> list[Answer]:
        """Ranked together; each has its share of the time that this took."""
        if not computed:
            return []
        began = time.monotonic()
        classifications = classifications_of(
            np.stack([row.logits for _, row in computed]),
            labels=self._labels,
            temperature=self._calibration.temperature,
            top_k=top_k,
            min_confidence=self._calibration.unknown_threshold if min_confidence is None else min_confidence,
        )
        seconds = (time.monotonic() - began) / len(computed)
        times = [times_of(prepared, row, postprocess_seconds=seconds) for prepared, row in computed]
        self._note(times)
        return [Answer(classification=one, times=its) for one, its in zip(classifications, times, strict=True)]

    def _embedded(self, computed: Sequence[Computed]) -> list[Embedded]:
        times = [times_of(prepared, row) for prepared, row in computed]
        self._note(times)
        results = []
        for (_, row), its in zip(computed, times, strict=True):
            assert row.embedding is not None  # noqa: S101 - asked only of models whose manifest names the output
            results.append(Embedded(vector=row.embedding, times=its))
        return results

    def _note(self, times: Sequence[Times]) -> None:
        self._observe(Stage.DECODE, [one.decode for one in times])
        self._observe(Stage.PREPROCESS, [one.preprocess for one in times])
        self._observe(Stage.QUEUE, [one.queue for one in times])
        self._observe(Stage.INFERENCE, [one.inference for one in times])
        self._observe(Stage.POSTPROCESS, [one.postprocess for one in times])
        for one in times:
            self._observe_image(one)
