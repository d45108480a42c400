"""Chunks in, results out, with one loaded model: decode → preprocess → session → ranked labels.

The steps are the service's own. The images of a chunk are computed in groups that depend on nothing but their places,
so that a chunk that is done again gives the same bits. Two stages, to be run by two threads: `prepare` reads and
decodes the next chunk while `compute` has the session.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from batch.engines.loaded_model import LoadedModel
from batch.fault import Fault
from batch.item import Chunk
from batch.plan import Question
from batch.reader import Reader
from batch.results import Results, empty_results, note_contents
from batch.table import columns_for
from service.engine.postprocess import ranked
from service.engine.prepared import PreparedImages
from service.engine.time_columns import Column

PARTS_PER_THREAD = 4
"""Of a chunk: so many that none waits long for the slowest."""


@dataclass(slots=True, kw_only=True)
class Ready:
    """A chunk between the two stages."""

    results: Results
    places: npt.NDArray[np.intp]  # (n,): of the images that could be decoded
    tensors: npt.NDArray[np.uint8]  # (n, H, W, C)


class Computation:
    """`prepare` and `compute` may run side by side; neither is called by two threads at once."""

    def __init__(self, model: LoadedModel, question: Question, *, decode_threads: int = 1) -> None:
        self._live = model.live
        self.facts = model.facts
        self._question = question
        self._reader = Reader(max_bytes=question.max_image_bytes)
        self._threads = decode_threads
        self._decoders = ThreadPoolExecutor(decode_threads, "decode") if decode_threads > 1 else None
        threshold = self._live.manifest.calibration.unknown_threshold
        self._min_confidence = threshold if question.min_confidence is None else question.min_confidence

    def prepare(self, chunk: Chunk) -> Ready:
        """Reads and decodes. Raises SourceChanged, or OSError where the storage is away."""
        results = empty_results(
            shard=chunk.shard,
            start=chunk.start,
            images=len(chunk.items),
            k=columns_for(self._question, self.facts),
            embedding_size=self.facts.embedding_size if self._question.embeddings else 0,
            timings=self._question.timings,
        )
        contents = self._reader.read(chunk.items)
        readable = np.array(note_contents(results, contents), dtype=np.intp)
        parts = self._prepared([content for content in contents if not isinstance(content, Fault)])
        starts = accumulate((part.count for part in parts), initial=0)
        placed = []
        for part, start in zip(parts, starts, strict=False):
            for place, error in part.errors.items():
                results.faults[int(readable[start + place])] = Fault(error.reason, error.sentence)
            placed.append(readable[start + part.places])
        places, times = np.concatenate(placed), np.concatenate([part.times for part in parts], axis=1)
        if results.decode_ms is not None:
            results.decode_ms[places] = 1000 * (times[Column.DECODE] + times[Column.PREPROCESS])
        return Ready(results=results, places=places, tensors=np.concatenate([part.tensors for part in parts]))

    def compute(self, ready: Ready) -> Results:
        """Runs the session. Raises what the runtime raises."""
        size = self._question.batch_size
        outputs = [self._live.session.run(ready.tensors[at : at + size]) for at in range(0, len(ready.tensors), size)]
        if outputs:
            self._enter(ready.results, ready.places, np.concatenate([batch.logits for batch in outputs]))
            vectors = [batch.embeddings for batch in outputs if batch.embeddings is not None]
            if ready.results.embeddings is not None and vectors:
                ready.results.embeddings[ready.places] = np.concatenate(vectors)
        return ready.results

    def close(self) -> None:
        if self._decoders is not None:
            self._decoders.shutdown(wait=False, cancel_futures=True)

    def _prepared(self, images: list[bytes]) -> list[PreparedImages]:
        """In as many parts as keep all threads at work."""
        prepare = self._live.classifier.prepare_all
        if self._decoders is None or not images:
            return [prepare(images)]
        size = math.ceil(len(images) / (PARTS_PER_THREAD * self._threads))
        return list(self._decoders.map(prepare, [images[at : at + size] for at in range(0, len(images), size)]))

    def _enter(self, results: Results, places: npt.NDArray[np.intp], logits: npt.NDArray[np.float32]) -> None:
        """As the service ranks them, for all of a chunk at once."""
        best = ranked(
            logits,
            temperature=self._live.manifest.calibration.temperature,
            top_k=results.labels.shape[1],
            min_confidence=self._min_confidence,
        )
        results.labels[places] = best.indices
        results.probabilities[places] = best.probabilities
        results.unknown[places] = best.unknown
