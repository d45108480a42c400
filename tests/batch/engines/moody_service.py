"""A service whose moods a test decides: one model, answers by the first byte of a picture, failures on cue."""

from collections import deque

import grpc
from recognition.v1 import recognition_pb2 as pb

from tests.client.fake_service import MODEL, FakeService, in_columns, status

LABELS = [str(digit) for digit in range(10)]


class MoodyService(FakeService):
    """Pictures begin with the digit that they show; `x` is no picture.

    `moods` holds for one picture each why it has no answer, or OK.
    """

    def __init__(self) -> None:
        super().__init__()
        self.digest = MODEL.digest
        self.state = pb.MODEL_STATE_READY
        self.moods: deque[tuple[grpc.StatusCode, str]] = deque()
        self.priorities: set[int] = set()

    def GetModel(self, request: pb.GetModelRequest, context: grpc.ServicerContext) -> pb.GetModelResponse:  # noqa: N802
        self._note(request, context)
        if request.model.name not in {"", MODEL.name}:
            self._abort(context, status(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", "There is no such model."))
        model = pb.Model(
            name=MODEL.name,
            version=MODEL.version,
            digest=self.digest,
            state=self.state,
            labels=LABELS,
            precision="fp32",
            provider="none",
            embedding_size=2,
        )
        return pb.GetModelResponse(model=model)

    def BatchClassify(  # noqa: N802
        self, request: pb.BatchClassifyRequest, context: grpc.ServicerContext
    ) -> pb.BatchClassifyResponse:
        self._note(request, context)
        self.priorities.add(request.priority)
        served = pb.ServedModel(name=MODEL.name, version=MODEL.version, digest=self.digest)
        results = [self._result(image, request.options) for image in request.images]
        answer = pb.BatchClassifyResponse(results=results, model=served)
        return in_columns(answer) if request.as_columns and self.knows_columns else answer

    def _result(self, image: bytes, options: pb.ClassifyOptions) -> pb.ClassifyResult:
        code, reason = self.moods.popleft() if self.moods else (grpc.StatusCode.OK, "")
        if code is not grpc.StatusCode.OK:
            return pb.ClassifyResult(error=status(code, reason))
        if image.startswith(b"x"):
            return pb.ClassifyResult(error=status(grpc.StatusCode.INVALID_ARGUMENT, "IMAGE_UNREADABLE", "No image."))
        best = int(image[:1])
        predictions = [
            pb.Prediction(index=(best + step) % 10, label=str((best + step) % 10), probability=0.5 / 2**step)
            for step in range(options.top_k)
        ]
        return pb.ClassifyResult(classification=pb.Classification(predictions=predictions))
