"""The client of the recognition service: encoded images in, labelled answers out.

    from recognition_client import ImageError, RecognitionClient

    with RecognitionClient("localhost:8001") as client:
        result = client.classify("shoe.png", model="fashion_cnn", top_k=3)
        print(result.predictions[0].label, result.predictions[0].probability, result.model.version)

        for outcome in client.batch_classify(["a.png", "b.jpg", camera_bytes]):
            match outcome:
                case ImageError():
                    print("no answer:", outcome)
                case _:
                    print(outcome.predictions[0].label)

`AsyncRecognitionClient` has the same methods for asyncio and sends the requests of a large batch side by side. Every
call has a deadline and is retried while the server is away or full. What fails is raised as one of the kinds of
RecognitionError, with the service's reason; the images of a batch fail one by one, as values.
"""

from recognition_client.aio import AsyncRecognitionClient
from recognition_client.batches import Image
from recognition_client.client import RecognitionClient
from recognition_client.columns import Columns
from recognition_client.embeddings import Embedding
from recognition_client.errors import (
    AccessDenied,
    ArgumentInvalid,
    BatchTooLarge,
    DeadlineExceeded,
    ImageRejected,
    InferenceFailed,
    ModelNotFound,
    ModelNotReady,
    NotOffered,
    Overloaded,
    PrecisionNotFound,
    RecognitionError,
    ResponseInvalid,
    ServerUnreachable,
    Unavailable,
    VersionNotFound,
)
from recognition_client.explanations import Explanation, ExplanationMethod
from recognition_client.models import HealthStatus, ModelInfo, ModelState
from recognition_client.requests import Priority
from recognition_client.results import (
    Classification,
    ClassifyResult,
    ImageError,
    Prediction,
    ServedModel,
    StageTimes,
)
from recognition_client.status import ErrorDetails

__all__ = [
    "AccessDenied",
    "ArgumentInvalid",
    "AsyncRecognitionClient",
    "BatchTooLarge",
    "Classification",
    "ClassifyResult",
    "Columns",
    "DeadlineExceeded",
    "Embedding",
    "ErrorDetails",
    "Explanation",
    "ExplanationMethod",
    "HealthStatus",
    "Image",
    "ImageError",
    "ImageRejected",
    "InferenceFailed",
    "ModelInfo",
    "ModelNotFound",
    "ModelNotReady",
    "ModelState",
    "NotOffered",
    "Overloaded",
    "PrecisionNotFound",
    "Prediction",
    "Priority",
    "RecognitionClient",
    "RecognitionError",
    "ResponseInvalid",
    "ServedModel",
    "ServerUnreachable",
    "StageTimes",
    "Unavailable",
    "VersionNotFound",
]
