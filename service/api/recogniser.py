"""What every door does with images, whatever the protocol: finds the model, keeps the limits, counts the answers."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from service.api.calls import current_call
from service.api.oip.statistics import Statistics
from service.engine.answers import Answer, Answers, Embedded
from service.engine.explain import Explanation
from service.engine.priority import Priority
from service.engine.times import Work, work_of, work_of_columns
from service.errors import BatchTooLarge, NotOffered, ServiceError
from service.metrics import Metrics
from service.models.catalogue import package_of
from service.models.live_model import LiveModel
from service.models.manifest import Precision
from service.models.registry import Registry


class Recogniser:
    """The doors turn their messages into calls of this, and its values into their messages."""

    def __init__(
        self,
        registry: Registry,
        metrics: Metrics,
        statistics: Statistics,
        *,
        max_images: int,
        default_deadline_seconds: float,
    ) -> None:
        self._registry = registry
        self._metrics = metrics
        self._statistics = statistics
        self._default_deadline_seconds = default_deadline_seconds
        self.max_images = max_images

    def live_model(
        self,
        name: str,
        *,
        version: int | None = None,
        alias: str | None = None,
        precision: Precision | None = None,
    ) -> LiveModel:
        """The model that answers, noted for the metrics; it stays until the task is done.

        Raises PrecisionNotFound or what `Registry.resolve` raises.
        """
        live = package_of(self._registry.choose(name, version=version, alias=alias)).variant(precision)
        call = current_call.get()
        call.model, call.version = live.manifest.name, str(live.manifest.version)
        return live

    def deadline(self, remaining_seconds: float | None = None) -> float:
        """On the clock of `time.monotonic`; callers that bring none get the default."""
        return time.monotonic() + (self._default_deadline_seconds if remaining_seconds is None else remaining_seconds)

    def check_count(self, images: int) -> None:
        """Raises BatchTooLarge."""
        if images > self.max_images:
            raise BatchTooLarge(
                f"The request has {images} images; at most {self.max_images} are accepted. Send several requests.",
                field="images",
            )

    async def classify(
        self,
        live: LiveModel,
        image: bytes,
        *,
        top_k: int,
        min_confidence: float | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> Answer:
        """One image, one answer. Raises a ServiceError."""
        with self.request(live) as works:
            try:
                answer = await live.classifier.classify(
                    image, top_k=top_k, min_confidence=min_confidence, deadline=deadline, priority=priority
                )
            except ServiceError:
                self._metrics.observe_image("error")
                raise
            works.append(work_of([answer.times]))
        self.count(live, answer)
        return answer

    async def classify_many(
        self,
        live: LiveModel,
        images: Sequence[bytes],
        *,
        top_k: int,
        min_confidence: float | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> Answers:
        """An answer or an error for each image. Raises BatchTooLarge for the whole."""
        self.check_count(len(images))
        with self.request(live) as works:
            answers = await live.classifier.classify_many(
                images, top_k=top_k, min_confidence=min_confidence, deadline=deadline, priority=priority
            )
            if len(answers.computed):
                works.append(work_of_columns(answers.computed.times))
        best = answers.ranked
        self._metrics.observe_predictions(live.manifest, best.indices[:, 0].tolist(), best.probabilities[:, 0].tolist())
        for error in answers.computed.errors.values():
            self.count_error(error)
        return answers

    async def classify_each(
        self,
        live: LiveModel,
        images: Sequence[bytes | ServiceError],
        *,
        top_k: int,
        min_confidence: float | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> list[Answer | ServiceError]:
        """The same as a list, in order; an image may have been refused before it came here."""
        self.check_count(len(images))
        answers = await self.classify_many(
            live,
            _unrefused(images),
            top_k=top_k,
            min_confidence=min_confidence,
            deadline=deadline,
            priority=priority,
        )
        for image in images:
            if isinstance(image, ServiceError):
                self.count_error(image)
        answered = iter(answers.each())
        return [image if isinstance(image, ServiceError) else next(answered) for image in images]

    async def embed_many(
        self,
        live: LiveModel,
        images: Sequence[bytes | ServiceError],
        *,
        deadline: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> list[Embedded | ServiceError]:
        """An embedding or an error for each image, in order.

        Raises BatchTooLarge for the whole, and NotOffered of a model without embeddings.
        """
        self.check_count(len(images))
        if live.manifest.outputs.embedding is None:
            raise NotOffered(f"The model {live.manifest.name} gives no embeddings; GetModel says which do.")
        with self.request(live) as works:
            embedded_now = await live.classifier.embed_many(_unrefused(images), deadline=deadline, priority=priority)
            if times := [result.times for result in embedded_now if isinstance(result, Embedded)]:
                works.append(work_of(times))
        embedded = iter(embedded_now)
        results = [image if isinstance(image, ServiceError) else next(embedded) for image in images]
        for result in results:
            if isinstance(result, ServiceError):
                self.count_error(result)
            else:
                self._metrics.observe_image("ok")
        return results

    async def explain(
        self,
        live: LiveModel,
        image: bytes,
        *,
        label: str = "",
        deadline: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> Explanation:
        """What the answer for one image rests on. Raises a ServiceError."""
        with self.request(live) as works:
            try:
                explanation = await live.explainer.explain(image, label=label, deadline=deadline, priority=priority)
            except ServiceError:
                self._metrics.observe_image("error")
                raise
            works.append(work_of([explanation.times]))
        self._metrics.observe_image("ok")
        return explanation

    @contextmanager
    def request(self, live: LiveModel) -> Iterator[list[Work]]:
        """Counts a request in the statistics; inside, the work that it took is added. Without any it has failed."""
        began, works = time.monotonic(), list[Work]()
        try:
            yield works
        finally:
            name, version, seconds = live.manifest.name, live.manifest.version, time.monotonic() - began
            if works:
                self._statistics.observe_success(name, version, works[0], seconds)
            else:
                self._statistics.observe_failure(name, version, seconds)

    def count(self, live: LiveModel, answer: Answer | ServiceError) -> None:
        """Notes in the metrics what became of one image of many."""
        if isinstance(answer, Answer):
            best = answer.classification.predictions[0]
            self._metrics.observe_prediction(live.manifest, best.index, best.probability)
        else:
            self.count_error(answer)

    def count_error(self, error: ServiceError) -> None:
        """Notes in the metrics that one image of many has an error instead of an answer."""
        self._metrics.observe_refusal(error.reason)
        self._metrics.observe_image("error")


def _unrefused(images: Sequence[bytes | ServiceError]) -> list[bytes]:
    return [image for image in images if isinstance(image, bytes)]
