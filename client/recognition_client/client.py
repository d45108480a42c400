"""The blocking client. Everything but the waiting is shared with its twin in aio.py."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import grpc
from recognition.v1 import recognition_pb2 as pb

from recognition_client.batches import IMAGES_PER_REQUEST, Image, Outcome, batches, read_image
from recognition_client.catalogue import Catalogue
from recognition_client.channel import ChannelConfig
from recognition_client.columns import Columns, columns_of, columns_or_halved
from recognition_client.connection import Connection
from recognition_client.credentials import Credentials, Pem
from recognition_client.embeddings import Embedding, embeddings
from recognition_client.errors import error_of_call
from recognition_client.explanations import Explanation, explanation
from recognition_client.halving import whole_or_halved
from recognition_client.requests import (
    Priority,
    Question,
    priority_message,
    question,
    selector,
)
from recognition_client.results import ClassifyResult, ImageError, classify_result, outcomes
from recognition_client.stream import Answered, Named, StreamRequests, answered


class RecognitionClient(Catalogue):
    """Asks a recognition service; one client may serve many threads.

    `target` is `HOST:PORT` or any gRPC target: `dns:///NAME:PORT` spreads the calls over all addresses of a name.
    `timeout_seconds` is the time from a call to its answer, retries included; each method takes its own instead.
    `max_attempts` is how often a call is tried when the server is away or full, 1 to 5. With `hedge_after_seconds` a
    call that has no answer by then is sent again, to the replica whose turn it is, and the first answer wins; one call
    in ten at most. `token` is what the operator of the service gave; `tls`, `root_certificates` and
    `client_certificate` (certificate and key; each as PEM or as the path of a file) are for a service that speaks TLS.
    Nothing is connected before the first call. Every method raises RecognitionError, or one of its kinds, where there
    is no answer.
    """

    def __init__(
        self,
        target: str = "localhost:8001",
        *,
        timeout_seconds: float = 10.0,
        max_attempts: int = 4,
        hedge_after_seconds: float | None = None,
        token: str | None = None,
        tls: bool = False,
        root_certificates: Pem | None = None,
        client_certificate: tuple[Pem, Pem] | None = None,
    ) -> None:
        credentials = Credentials(
            token=token, tls=tls, root_certificates=root_certificates, client_certificate=client_certificate
        )
        config = ChannelConfig(
            target=target, timeout_seconds=timeout_seconds, max_attempts=max_attempts, credentials=credentials
        )
        super().__init__(Connection(config, hedge_after_seconds=hedge_after_seconds))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and every call that is still under way."""
        self._server.close()

    def classify(
        self,
        image: Image,
        *,
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        top_k: int = 5,
        min_confidence: float | None = None,
        priority: Priority | str = Priority.NORMAL,
        timeout_seconds: float | None = None,
    ) -> ClassifyResult:
        """Labels one image. Raises ImageRejected for a bad one, and OSError for a path that cannot be read."""
        chosen = selector(model=model, version=version, alias=alias, precision=precision)
        asked = question(chosen, top_k=top_k, min_confidence=min_confidence, priority=priority)
        request = asked.of_image(read_image(image))
        return classify_result(self._server.call(self._server.stub.Classify, request, timeout_seconds))

    def batch_classify(
        self,
        images: Iterable[Image],
        *,
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        top_k: int = 5,
        min_confidence: float | None = None,
        priority: Priority | str = Priority.NORMAL,
        timeout_seconds: float | None = None,
        images_per_request: int = IMAGES_PER_REQUEST,
    ) -> list[Outcome]:
        """Labels many images: one outcome for each, in their order, a bad one as an ImageError in its place.

        Any number may be given: they travel in requests of at most `images_per_request` images, one after the other,
        and the deadline is that of one request.
        """
        chosen = selector(model=model, version=version, alias=alias, precision=precision)
        asked = question(chosen, top_k=top_k, min_confidence=min_confidence, priority=priority)
        answers: list[Outcome] = []
        for batch in batches(images, images_per_request=images_per_request):
            answers += whole_or_halved(batch, lambda part: self._classify_images(part, asked, timeout_seconds))
        return answers

    def classify_columns(
        self,
        images: Iterable[Image],
        *,
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        top_k: int = 5,
        min_confidence: float | None = None,
        priority: Priority | str = Priority.NORMAL,
        timeout_seconds: float | None = None,
        images_per_request: int = IMAGES_PER_REQUEST,
    ) -> Columns:
        """Labels many images as `batch_classify` does; the answers are columns of numbers, for a fraction of the time
        where images are small.
        """
        chosen = selector(model=model, version=version, alias=alias, precision=precision)
        asked = question(chosen, top_k=top_k, min_confidence=min_confidence, priority=priority)
        parts = [
            columns_or_halved(batch, lambda part: self._columns_of_images(part, asked, timeout_seconds))
            for batch in batches(images, images_per_request=images_per_request)
        ]
        return Columns.joined(parts)

    def classify_stream(
        self,
        images: Iterable[Named],
        *,
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        top_k: int = 5,
        min_confidence: float | None = None,
        priority: Priority | str = Priority.NORMAL,
        timeout_seconds: float | None = None,
    ) -> Iterator[Answered]:
        """Labels pairs of id and image as they come: pairs of id and outcome, as they are ready and not in order.

        The server takes no more than it can hold, so `images` may be endless. The deadline is that of the whole stream;
        left out, there is none.
        """
        chosen = selector(model=model, version=version, alias=alias, precision=precision)
        asked = question(chosen, top_k=top_k, min_confidence=min_confidence, priority=priority)
        requests = StreamRequests(images, asked)
        call = self._server.stub.ClassifyStream(iter(requests), timeout=timeout_seconds)
        try:
            for response in call:
                yield from requests.unread()
                yield answered(response)
        except grpc.RpcError as error:
            raise error_of_call(error, target=self._server.config.target) from error
        finally:
            call.cancel()
        yield from requests.unread()
        requests.check()

    def embed(
        self,
        images: Iterable[Image],
        *,
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        priority: Priority | str = Priority.NORMAL,
        timeout_seconds: float | None = None,
        images_per_request: int = IMAGES_PER_REQUEST,
    ) -> list[Embedding | ImageError]:
        """Turns images into vectors, as `batch_classify` labels them."""
        asked = pb.EmbedRequest(
            model=selector(model=model, version=version, alias=alias, precision=precision),
            priority=priority_message(priority),
        )
        answers: list[Embedding | ImageError] = []
        for batch in batches(images, images_per_request=images_per_request):
            answers += whole_or_halved(batch, lambda part: self._embed_images(part, asked, timeout_seconds))
        return answers

    def explain(
        self,
        image: Image,
        *,
        label: str = "",
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        priority: Priority | str = Priority.NORMAL,
        timeout_seconds: float | None = None,
    ) -> Explanation:
        """A heat map of what speaks for a label; left out, for the most probable one. Raises what `classify` raises."""
        chosen = selector(model=model, version=version, alias=alias, precision=precision)
        request = pb.ExplainRequest(
            model=chosen, image=read_image(image), label=label, priority=priority_message(priority)
        )
        return explanation(self._server.call(self._server.stub.Explain, request, timeout_seconds))

    def _classify_images(self, images: list[bytes], asked: Question, timeout_seconds: float | None) -> list[Outcome]:
        response = self._server.call(self._server.stub.BatchClassify, asked.of_images(images), timeout_seconds)
        return outcomes(response, expected=len(images))

    def _columns_of_images(self, images: list[bytes], asked: Question, timeout_seconds: float | None) -> Columns:
        request = asked.of_images(images, as_columns=True)
        response = self._server.call(self._server.stub.BatchClassify, request, timeout_seconds)
        return columns_of(response, expected=len(images))

    def _embed_images(
        self, images: list[bytes], asked: pb.EmbedRequest, timeout_seconds: float | None
    ) -> list[Embedding | ImageError]:
        response = self._server.call(
            self._server.stub.Embed,
            pb.EmbedRequest(model=asked.model, images=images, priority=asked.priority),
            timeout_seconds,
        )
        return embeddings(response, expected=len(images))
