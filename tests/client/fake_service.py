"""A recognition service behind a real gRPC server whose answers are known beforehand, and which fails when told to."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from recognition.v1 import recognition_pb2 as pb
from recognition.v1.recognition_pb2_grpc import RecognitionServiceServicer, add_RecognitionServiceServicer_to_server

MODEL = pb.ServedModel(name="fashion_cnn", version=3, digest="d" * 64)
TIMES = pb.StageTimes(decode_seconds=0.25, queue_seconds=0.5, inference_seconds=0.125, batch_size=7)


def status(code: grpc.StatusCode, reason: str = "", message: str = "It failed.", *, retry_seconds: int = 0) -> Status:
    """A status as the service makes them; without a reason, as a proxy does."""
    answer = Status(code=code.value[0], message=message)
    if reason:
        _add(answer, ErrorInfo(reason=reason, domain="recognition", metadata={"limit": "8"}))
    if retry_seconds:
        _add(answer, RetryInfo(retry_delay=Duration(seconds=retry_seconds, nanos=500_000_000)))
    return answer


def classification(image: bytes, options: pb.ClassifyOptions) -> pb.Classification:
    """The image's own bytes are its best label."""
    labels = [image.decode(errors="replace"), "second", "third"][: options.top_k or None]
    predictions = [pb.Prediction(index=i, label=label, probability=0.5 / 2**i) for i, label in enumerate(labels)]
    return pb.Classification(predictions=predictions, unknown=options.min_confidence > 0.5)


class FakeService(RecognitionServiceServicer):
    """Answers deterministically and notes what it was asked.

    Images that begin with `bad` are unreadable. While `failures` holds statuses, each call ends with the next of them;
    `pushback_ms` goes along with those. More than `max_images` in a batch are too many. `most_at_once` counts calls.
    """

    def __init__(self) -> None:
        self.requests: list[object] = []
        self.seconds_left: list[float | None] = []
        self.failures: deque[Status] = deque()
        self.pushback_ms: int | None = None
        self.delay_seconds = 0.0
        self.at_work = self.most_at_once = 0
        self.max_images = 256
        self.dropped_results = 0
        self.knows_columns = True
        self.models: list[pb.Model] = []
        self.health = health.HealthServicer()
        self._lock = threading.Lock()

    @property
    def batch_sizes(self) -> list[int]:
        return [len(request.images) for request in self.requests if isinstance(request, pb.BatchClassifyRequest)]

    def Classify(self, request: pb.ClassifyRequest, context: grpc.ServicerContext) -> pb.ClassifyResponse:  # noqa: N802 - the API's name
        self._note(request, context)
        if request.image.startswith(b"bad"):
            self._abort(context, unreadable())
        answer = classification(request.image, request.options)
        return pb.ClassifyResponse(classification=answer, model=MODEL, times=TIMES)

    def BatchClassify(  # noqa: N802
        self, request: pb.BatchClassifyRequest, context: grpc.ServicerContext
    ) -> pb.BatchClassifyResponse:
        self._note(request, context)
        if len(request.images) > self.max_images:
            self._abort(context, status(grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE", "Too many images."))
        results = [
            pb.ClassifyResult(error=unreadable())
            if image.startswith(b"bad")
            else pb.ClassifyResult(classification=classification(image, request.options))
            for image in request.images
        ]
        answer = pb.BatchClassifyResponse(results=results[self.dropped_results :], model=MODEL, times=TIMES)
        return in_columns(answer) if request.as_columns and self.knows_columns else answer

    def ListModels(self, request: pb.ListModelsRequest, context: grpc.ServicerContext) -> pb.ListModelsResponse:  # noqa: N802
        """Pages of two, whatever was asked for."""
        self._note(request, context)
        begin = int(request.page_token or 0)
        end = begin + 2
        token = str(end) if end < len(self.models) else ""
        return pb.ListModelsResponse(models=self.models[begin:end], next_page_token=token)

    def GetModel(self, request: pb.GetModelRequest, context: grpc.ServicerContext) -> pb.GetModelResponse:  # noqa: N802
        self._note(request, context)
        return pb.GetModelResponse(model=pb.Model(name=request.model.name, version=request.model.version))

    def ClassifyStream(  # noqa: N802
        self, request_iterator: Iterator[pb.ClassifyStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ClassifyStreamResponse]:
        """Answers in pairs, the second of each before the first."""
        waiting: list[pb.ClassifyStreamResponse] = []
        for request in request_iterator:
            self._note(request, context)
            result = (
                pb.ClassifyResult(error=unreadable())
                if request.image.startswith(b"bad")
                else pb.ClassifyResult(classification=classification(request.image, request.options))
            )
            waiting.insert(0, pb.ClassifyStreamResponse(id=request.id, result=result, model=MODEL, times=TIMES))
            if len(waiting) == 2:
                yield from waiting
                waiting.clear()
        yield from waiting

    def Embed(self, request: pb.EmbedRequest, context: grpc.ServicerContext) -> pb.EmbedResponse:  # noqa: N802
        """The vector of an image is the length of its file, once and doubled."""
        self._note(request, context)
        if len(request.images) > self.max_images:
            self._abort(context, status(grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE", "Too many images."))
        results = [
            pb.EmbedResult(error=unreadable())
            if image.startswith(b"bad")
            else pb.EmbedResult(embedding=pb.Embedding(values=[len(image), 2 * len(image)]))
            for image in request.images
        ]
        return pb.EmbedResponse(results=results[self.dropped_results :], model=MODEL, times=TIMES)

    def Explain(self, request: pb.ExplainRequest, context: grpc.ServicerContext) -> pb.ExplainResponse:  # noqa: N802
        self._note(request, context)
        if request.image.startswith(b"bad"):
            self._abort(context, unreadable())
        return pb.ExplainResponse(
            overlay_png=b"a picture of " + request.image,
            values=[0.0, 0.25, 0.5, -1.0, -2.0, -4.0],
            rows=2,
            columns=3,
            prediction=pb.Prediction(index=4, label=request.label or "best", probability=0.75),
            method=pb.EXPLANATION_METHOD_OCCLUSION,
            model=MODEL,
            times=TIMES,
        )

    def _note(self, request: object, context: grpc.ServicerContext) -> None:
        self.requests.append(request)
        self.seconds_left.append(context.time_remaining())
        with self._lock:
            self.at_work += 1
            self.most_at_once = max(self.most_at_once, self.at_work)
        time.sleep(self.delay_seconds)
        with self._lock:
            self.at_work -= 1
        if self.failures:
            self._abort(context, self.failures.popleft())

    def _abort(self, context: grpc.ServicerContext, failure: Status) -> None:
        metadata: list[tuple[str, str | bytes]] = []
        if failure.details:
            metadata.append(("grpc-status-details-bin", failure.SerializeToString()))
        if self.pushback_ms is not None:
            metadata.append(("grpc-retry-pushback-ms", str(self.pushback_ms)))
        context.set_trailing_metadata(tuple(metadata))
        code = next(code for code in grpc.StatusCode if code.value[0] == failure.code)
        context.abort(code, failure.message)


class RunningServer:
    """The fake service on a free port of this machine; `target` is where clients find it."""

    def __init__(self, service: FakeService, options: Sequence[tuple[str, int]] = ()) -> None:
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0), *options])
        add_RecognitionServiceServicer_to_server(service, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(service.health, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.stop(grace=None).wait()


def unreadable() -> Status:
    return status(grpc.StatusCode.INVALID_ARGUMENT, "IMAGE_UNREADABLE", "This is no image.")


def in_columns(answer: pb.BatchClassifyResponse) -> pb.BatchClassifyResponse:
    """The same answers as a request with `as_columns` gets them."""
    good = [result.classification for result in answer.results if result.HasField("classification")]
    columns = pb.ClassificationColumns(
        labels_per_image=len(good[0].predictions) if good else 0,
        indices=[prediction.index for one in good for prediction in one.predictions],
        probabilities=[prediction.probability for one in good for prediction in one.predictions],
        unknown=[one.unknown for one in good],
        errors={place: result.error for place, result in enumerate(answer.results) if result.HasField("error")},
    )
    return pb.BatchClassifyResponse(columns=columns, model=answer.model, times=answer.times)


def serving(service: FakeService, name: str, *, well: bool) -> None:
    """Sets what the health check says of a name."""
    answer = health_pb2.HealthCheckResponse
    service.health.set(name, answer.SERVING if well else answer.NOT_SERVING)


def _add(answer: Status, detail: ErrorInfo | RetryInfo) -> None:
    packed = AnyMessage()
    packed.Pack(detail)
    answer.details.append(packed)
