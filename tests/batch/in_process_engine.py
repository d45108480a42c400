"""The steps of a worker inside the test's own process: real reading, real model, no waiting for processes."""

from batch.engines.computation import Computation
from batch.engines.loaded_model import LoadedModel, ModelChoice
from batch.item import Chunk
from batch.plan import Model, Question
from batch.results import Results


class InProcessEngine:
    """One chunk at a time."""

    def __init__(self, choice: ModelChoice) -> None:
        self.workers = 1
        self._choice = choice
        self._waiting: list[Chunk] = []

    def start(self, question: Question) -> Model:
        self._model = LoadedModel(
            self._choice, threads=1, batch_size=question.batch_size, max_image_bytes=question.max_image_bytes
        )
        self._computation = Computation(self._model, question)
        return self._model.facts

    @property
    def has_room(self) -> bool:
        return not self._waiting

    def submit(self, chunk: Chunk) -> None:
        self._waiting.append(chunk)

    def collect(self) -> list[Results]:
        return [self._computation.compute(self._computation.prepare(self._waiting.pop()))]

    def close(self) -> None:
        self._model.close()
