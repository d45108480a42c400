"""The service over gRPC, one replica or many: read here, decoded and computed there, at a pace that it sets.

A few requests are under way at a time, and the next is only sent when one was answered; its images are read before, so
that no server waits for them. A server that is away or full
is asked again, with growing pauses, for as long as the job's patience lasts; an image that it refuses is a row.
"""

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event, Semaphore

import numpy as np
from recognition_client import (
    AccessDenied,
    Columns,
    DeadlineExceeded,
    Embedding,
    ImageError,
    InferenceFailed,
    ModelNotFound,
    ModelState,
    Overloaded,
    Priority,
    RecognitionClient,
    RecognitionError,
    ServedModel,
    ServerUnreachable,
    Unavailable,
)

from batch.engines.served_choice import ServedChoice, model_of
from batch.errors import EngineFailed, ModelRefused
from batch.fault import Fault
from batch.item import Chunk
from batch.plan import Model, Question
from batch.reader import Reader
from batch.results import Results, empty_results, note_contents
from batch.table import columns_for

REQUESTS_PER_REPLICA = 4
READ_AHEAD_PER_REPLICA = 2
"""Chunks whose images are read while all requests are under way, or whose answers are entered."""
IMAGES_PER_REQUEST = 256
"""As many as a chunk has, and as a server takes unless it is told otherwise; one that takes fewer is sent halves."""
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
OF_THE_IMAGE = ("IMAGE_", "ARGUMENT_", "FILE_")
"""Reasons that begin so will be the same whenever the image is sent; all others are worth another try."""
PASSING = (Unavailable, Overloaded, DeadlineExceeded, InferenceFailed)


class RemoteEngine:
    """See batch.engines.Engine."""

    def __init__(self, choice: ServedChoice, *, workers: int | None = None) -> None:
        self._choice = choice
        self.workers = workers or REQUESTS_PER_REPLICA * len(choice.servers)
        self._clients = [choice.client(server) for server in choice.servers]
        self._most = self.workers + READ_AHEAD_PER_REPLICA * len(choice.servers)
        self._turns = Semaphore(self.workers)
        self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="remote")
        self._under_way: set[Future[Results]] = set()
        self._closing = Event()

    def start(self, question: Question) -> Model:
        """All servers must have the same model: the same digest, precision and provider."""
        facts = [
            self._facts(client, server) for client, server in zip(self._clients, self._choice.servers, strict=True)
        ]
        for server, other in zip(self._choice.servers, facts, strict=True):
            if other != facts[0]:
                raise ModelRefused(
                    f"{server} has {_named(other)} and {self._choice.servers[0]} has {_named(facts[0])}; "
                    "all servers of a job must have the same"
                )
        self._question, self._model = question, facts[0]
        return facts[0]

    @property
    def has_room(self) -> bool:
        return len(self._under_way) < self._most

    def submit(self, chunk: Chunk) -> None:
        self._under_way.add(self._threads.submit(self._answered, chunk))

    def collect(self) -> list[Results]:
        done, self._under_way = wait(self._under_way, return_when=FIRST_COMPLETED)
        return [future.result() for future in done]

    def close(self) -> None:
        self._closing.set()
        for client in self._clients:
            client.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _facts(self, client: RecognitionClient, server: str) -> Model:
        choice = self._choice
        try:
            info = client.get_model(choice.name or "", version=choice.version, alias=choice.alias)
        except ModelNotFound as error:
            raise ModelRefused(f"{server}: {error}") from error
        except RecognitionError as error:
            raise EngineFailed(f"{error}. {_advice(error)}") from error
        if info.state is not ModelState.READY:
            raise EngineFailed(f"{server}: {info.name} version {info.version} is {info.state}: {info.state_reason}")
        return model_of(info)

    def _answered(self, chunk: Chunk) -> Results:
        """In a thread of its own: reads, asks, and asks again where that helps."""
        reader = Reader(max_bytes=self._question.max_image_bytes)
        results = empty_results(
            shard=chunk.shard,
            start=chunk.start,
            images=len(chunk.items),
            k=columns_for(self._question, self._model),
            embedding_size=self._model.embedding_size if self._question.embeddings else 0,
        )
        contents = reader.read(chunk.items)
        note_contents(results, contents)
        waiting = {place: content for place, content in enumerate(contents) if not isinstance(content, Fault)}
        end, pause = time.monotonic() + self._choice.patience_seconds, FIRST_PAUSE_SECONDS
        turn = chunk.shard + chunk.start
        while waiting:
            places = sorted(waiting)
            client, came = self._clients[turn % len(self._clients)], time.monotonic()
            with self._turns:
                end += time.monotonic() - came  # until then the server was not asked
                answer = self._ask(client, [waiting[place] for place in places], k=results.labels.shape[1])
            trouble = _entered(results, places, answer)
            if len(trouble) < len(waiting):  # slow is not away
                end, pause = time.monotonic() + self._choice.patience_seconds, FIRST_PAUSE_SECONDS
            waiting = {place: waiting[place] for place in trouble}
            if trouble:
                self._pause(min(trouble.values(), key=str), pause, end)
                pause, turn = min(2 * pause, LONGEST_PAUSE_SECONDS), turn + 1
        return results

    def _ask(self, client: RecognitionClient, images: list[bytes], *, k: int) -> "_Answer | RecognitionError":
        """The error that comes back is worth another try."""
        if self._closing.is_set():
            raise EngineFailed("the job was stopped")
        question, model = self._question, self._model
        try:
            columns = client.classify_columns(
                images,
                model=model.name,
                version=model.version,
                top_k=k,
                min_confidence=question.min_confidence,
                images_per_request=IMAGES_PER_REQUEST,
                priority=Priority.LOW,
            )
            vectors = self._vectors(client, images) if question.embeddings else []
        except PASSING as error:
            return error
        except RecognitionError as error:
            raise EngineFailed(f"the server refuses: {error}. {_advice(error)}") from error
        self._refuse_others(columns.models)
        return _Answer(columns=columns, vectors=vectors)

    def _vectors(self, client: RecognitionClient, images: list[bytes]) -> Sequence[Embedding | ImageError]:
        return client.embed(
            images,
            model=self._model.name,
            version=self._model.version,
            images_per_request=IMAGES_PER_REQUEST,
            priority=Priority.LOW,
        )

    def _refuse_others(self, served: Sequence[ServedModel]) -> None:
        for model in served:
            if model.digest != self._model.digest:
                raise EngineFailed(
                    f"{model.name} version {model.version} was replaced on the server while the job ran; "
                    "begin anew, --restart"
                )

    def _pause(self, trouble: RecognitionError, seconds: float, end: float) -> None:
        """Raises EngineFailed where there is no use in waiting any longer."""
        seconds = max(seconds, trouble.retry_after_seconds or 0.0)
        if time.monotonic() + seconds > end:
            raise EngineFailed(
                f"no answer for {self._choice.patience_seconds:.0f} s: {trouble}. Run the same command again to go on."
            ) from trouble
        if self._closing.wait(seconds):
            raise EngineFailed("the job was stopped") from trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """Of one request."""

    columns: Columns
    vectors: Sequence[Embedding | ImageError]
    """None where nobody wants them."""


def _entered(results: Results, places: list[int], answer: _Answer | RecognitionError) -> dict[int, RecognitionError]:
    """Returns the places that have no answer yet, and why."""
    if isinstance(answer, RecognitionError):
        return dict.fromkeys(places, answer)
    columns, vectors = answer.columns, answer.vectors
    answered, shape = np.array(places, dtype=np.intp)[columns.places], (-1, results.labels.shape[1])
    trouble: dict[int, RecognitionError] = {}
    if len(answered):
        results.labels[answered] = np.reshape(columns.indices, shape)
        results.probabilities[answered] = np.reshape(columns.probabilities, shape)
        results.unknown[answered] = columns.unknown
    for number, error in columns.errors.items():
        if error.reason.startswith(OF_THE_IMAGE):
            results.faults[places[number]] = Fault(error.reason, error.message)
        else:
            trouble[places[number]] = error.exception()
    for number, vector in enumerate(vectors):
        if number in columns.errors:
            continue
        if isinstance(vector, ImageError):
            trouble[places[number]] = vector.exception()
        elif results.embeddings is not None:
            results.embeddings[places[number]] = vector.values
    return trouble


def _advice(error: RecognitionError) -> str:
    if isinstance(error, AccessDenied):
        return "Put a token with enough rights into RECOGNITION_TOKEN."
    if isinstance(error, ServerUnreachable):
        return "Start a server, or name another with --server; one that speaks TLS wants --tls or --root-certificates."
    return "Run the same command again to go on."


def _named(model: Model) -> str:
    return f"{model.name} version {model.version} ({model.digest[:12]}, {model.precision}, {model.provider})"
