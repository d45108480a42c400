"""What a call of the client can end with instead of an answer, and where on the way.

    image ──▶ request ──▶ server ──▶ model ──▶ queue ──▶ session ──▶ answer
      │          │           │         │         │          │           └ ResponseInvalid
      │          │           │         │         │          └ InferenceFailed
      │          │           │         │         └ Overloaded, DeadlineExceeded
      │          │           │         └ ModelNotFound, VersionNotFound, PrecisionNotFound, ModelNotReady
      │          │           └ ImageRejected, BatchTooLarge, ArgumentInvalid, AccessDenied, NotOffered, Unavailable
      │          └ ServerUnreachable, DeadlineExceeded
      └ OSError (a file that cannot be read), ImageRejected (one that is too large to be sent)

All but OSError are kinds of RecognitionError. An argument that cannot be sent is a ValueError.
"""

from collections.abc import Mapping

import grpc

from recognition_client.status import IMAGE_TOO_LARGE, ErrorDetails, details_of_call


class RecognitionError(Exception):
    """A call failed. `reason` is stable and meant for programs, `message` is a sentence for people."""

    def __init__(self, details: ErrorDetails) -> None:
        super().__init__(details)
        self.details = details

    @property
    def code(self) -> grpc.StatusCode:
        return self.details.code

    @property
    def reason(self) -> str:
        return self.details.reason

    @property
    def message(self) -> str:
        return self.details.message

    @property
    def metadata(self) -> Mapping[str, str]:
        return self.details.metadata

    @property
    def retry_after_seconds(self) -> float | None:
        return self.details.retry_after_seconds


class ArgumentInvalid(RecognitionError):
    """The request cannot be answered as it is; asking again will not help."""


class ImageRejected(ArgumentInvalid):
    """The image is broken, too large, or of a kind that the server does not read."""


class BatchTooLarge(ArgumentInvalid):
    """More images in one request than the server takes, or answers in one message."""


class ModelNotFound(RecognitionError):
    """The server has no such model."""


class VersionNotFound(ModelNotFound):
    """The server has the model, but not this version or alias of it."""


class PrecisionNotFound(VersionNotFound):
    """The server has the version, but does not answer in this precision of it."""


class AccessDenied(RecognitionError):
    """The server, or something before it, wants other credentials."""


class Unavailable(RecognitionError):
    """No answer just now; the same request may succeed later or on another server."""


class ModelNotReady(Unavailable):
    """The model is still being loaded, or was refused when it was."""


class ServerUnreachable(Unavailable):
    """Nothing that speaks for the service answered at this target."""


class Overloaded(RecognitionError):
    """The queue is full; ask again after `retry_after_seconds`."""


class DeadlineExceeded(RecognitionError):
    """No answer before the deadline, or the server saw that there would be none."""


class InferenceFailed(RecognitionError):
    """The model could not be run on this input; the server's log says why."""


class NotOffered(RecognitionError):
    """The server does not answer this call at all."""


class ResponseInvalid(RecognitionError):
    """The server's answer breaks the API."""


_BY_REASON: Mapping[str, type[RecognitionError]] = {
    "IMAGE_UNREADABLE": ImageRejected,
    "IMAGE_UNSUPPORTED": ImageRejected,
    IMAGE_TOO_LARGE: ImageRejected,
    "BATCH_TOO_LARGE": BatchTooLarge,
    "ANSWER_TOO_LARGE": BatchTooLarge,
    "ARGUMENT_INVALID": ArgumentInvalid,
    "MODEL_NOT_FOUND": ModelNotFound,
    "VERSION_NOT_FOUND": VersionNotFound,
    "PRECISION_NOT_FOUND": PrecisionNotFound,
    "MODEL_NOT_READY": ModelNotReady,
    "SHUTTING_DOWN": Unavailable,
    "DEVICE_EXHAUSTED": Unavailable,
    "DEVICE_LOST": Unavailable,
    "DECODER_UNAVAILABLE": Unavailable,
    "QUEUE_FULL": Overloaded,
    "DEADLINE_UNREACHABLE": DeadlineExceeded,
    "INFERENCE_FAILED": InferenceFailed,
    "NOT_OFFERED": NotOffered,
    "TOKEN_MISSING": AccessDenied,
    "TOKEN_INVALID": AccessDenied,
    "NOT_PERMITTED": AccessDenied,
    "RATE_EXCEEDED": Overloaded,
}

_BY_CODE: Mapping[grpc.StatusCode, type[RecognitionError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: ArgumentInvalid,
    grpc.StatusCode.NOT_FOUND: ModelNotFound,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNIMPLEMENTED: NotOffered,
    grpc.StatusCode.UNAUTHENTICATED: AccessDenied,
    grpc.StatusCode.PERMISSION_DENIED: AccessDenied,
}


def error_of(details: ErrorDetails) -> RecognitionError:
    """The exception for these details: by reason, and by code where the reason is new to this client or missing."""
    if details.code is grpc.StatusCode.UNAVAILABLE and not details.reason:
        return ServerUnreachable(details)
    kind = _BY_REASON.get(details.reason) or _BY_CODE.get(details.code, RecognitionError)
    return kind(details)


def error_of_call(error: grpc.RpcError, *, target: str) -> RecognitionError:
    """The exception for a failed call of either client."""
    return error_of(details_of_call(error, target=target))
