"""An engine without a model: the label of a picture is the last digit of its name, so a test knows every answer."""

from collections import deque
from collections.abc import Callable

import numpy as np

from batch.fault import Fault
from batch.item import Chunk
from batch.plan import Model, Question
from batch.results import Results, empty_results

LABELS = tuple(str(digit) for digit in range(10))
MODEL = Model(
    name="digits", version=3, digest="d" * 64, precision="fp32", provider="none", labels=LABELS, embedding_size=2
)


class FakeEngine:
    """Answers the newest chunk first, to show that the order of the answers does not matter."""

    def __init__(
        self,
        *,
        workers: int = 2,
        model: Model = MODEL,
        before: Callable[[Chunk], None] = lambda _chunk: None,
    ) -> None:
        self.workers = workers
        self.model = model
        self.before = before
        self.chunks: list[Chunk] = []
        self.closed = False
        self._waiting: deque[Chunk] = deque()

    def start(self, question: Question) -> Model:
        self.question = question
        return self.model

    @property
    def has_room(self) -> bool:
        return len(self._waiting) < 2 * self.workers

    def submit(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self._waiting.append(chunk)

    def collect(self) -> list[Results]:
        chunk = self._waiting.pop()
        self.before(chunk)
        return [answer(chunk, self.question, self.model)]

    def close(self) -> None:
        self.closed = True


def answer(chunk: Chunk, question: Question, model: Model = MODEL) -> Results:
    """A name that ends in `x` is no picture."""
    k = min(question.top_k, len(model.labels))
    results = empty_results(
        shard=chunk.shard,
        start=chunk.start,
        images=len(chunk.items),
        k=k,
        embedding_size=model.embedding_size if question.embeddings else 0,
        timings=question.timings,
    )
    for place, item in enumerate(chunk.items):
        stem = item.where.rpartition(".")[0]
        if stem.endswith("x"):
            results.faults[place] = Fault("IMAGE_UNREADABLE", "These bytes are not an image.")
            continue
        best = int(stem[-1])
        results.labels[place] = [(best + step) % len(model.labels) for step in range(k)]
        results.probabilities[place] = [0.5 + best / 20 if step == 0 else 0.01 for step in range(k)]
        results.unknown[place] = best == 0
        results.sizes[place] = (28, 20)
        if results.embeddings is not None:
            results.embeddings[place] = np.array([best, -best])
        if results.decode_ms is not None:
            results.decode_ms[place] = 1.5
    return results
