"""Chunks in, results out, with one loaded model: decode → preprocess → session → ranked labels.

The steps are the service's own. The images of a chunk are computed in groups that depend on nothing but their places,
so that a chunk that is done again gives the same bits. Two stages, to be run by two threads: `prepare` reads and
decodes the next chunk while `compute` has the session.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from batch.engines.loaded_model import LoadedModel
from batch.fault import Fault
from batch.item import Chunk
from batch.plan import Question
from batch.reader import Reader
from batch.results import Results, empty_results, note_contents
from batch.table import columns_for
from service.engine.postprocess import probabilities_of
from service.engine.preparation import Prepared
from service.errors import ServiceError


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
        readable = note_contents(results, contents)
        images = [content for content in contents if not isinstance(content, Fault)]
        outcomes = self._decoders.map(self._decoded, images) if self._decoders else map(self._decoded, images)
        spec = self._live.manifest.input
        tensors = np.empty((len(readable), spec.height, spec.width, spec.channels), dtype=np.uint8)
        places: list[int] = []
        for place, outcome in zip(readable, outcomes, strict=True):
            if isinstance(outcome, Fault):
                results.faults[place] = outcome
                continue
            tensors[len(places)] = outcome.tensor
            places.append(place)
            if results.decode_ms is not None:
                results.decode_ms[place] = 1000 * (outcome.decode_seconds + outcome.preprocess_seconds)
        return Ready(results=results, places=np.array(places, dtype=np.intp), tensors=tensors[: len(places)])

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

    def _decoded(self, image: bytes) -> Prepared | Fault:
        try:
            return self._live.classifier.prepare(image)
        except ServiceError as error:
            return Fault(error.reason, error.sentence)

    def _enter(self, results: Results, places: npt.NDArray[np.intp], logits: npt.NDArray[np.float32]) -> None:
        """As service.engine.postprocess ranks one image, for all of a chunk at once."""
        shares = probabilities_of(logits, self._live.manifest.calibration.temperature)  # (images, labels)
        ranked = np.argsort(-logits, axis=-1, kind="stable")[:, : results.labels.shape[1]]
        best = np.take_along_axis(shares, ranked, axis=-1)
        results.labels[places] = ranked
        results.probabilities[places] = best
        if self._min_confidence is not None:
            results.unknown[places] = best[:, 0] < self._min_confidence
