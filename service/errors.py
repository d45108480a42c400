"""What can go wrong on an image's way, as exceptions: engine and registry raise them, the doors translate them.

Each class has a `reason`, stable and meant for programs, and is raised with one sentence that the caller can act on.
The picture of which step raises which, and the gRPC code of each, is in service/api/errors.py.
"""

from typing import ClassVar


class ServiceError(Exception):
    """An expected refusal. Anything that is not one of these is a fault of the server."""

    reason: ClassVar[str]

    def __init__(self, sentence: str, **metadata: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.metadata = metadata


class ImageUnreadable(ServiceError):
    """The bytes are no image, or a broken one."""

    reason = "IMAGE_UNREADABLE"


class ImageUnsupported(ServiceError):
    """An image of a kind that is not decoded here."""

    reason = "IMAGE_UNSUPPORTED"


class ImageTooLarge(ServiceError):
    """More bytes or pixels than the settings allow."""

    reason = "IMAGE_TOO_LARGE"


class DecoderUnavailable(ServiceError):
    """No process could be started to decode the image in."""

    reason = "DECODER_UNAVAILABLE"


class EncodingUnsupported(ServiceError):
    """The body over HTTP is compressed in a way that is not read."""

    reason = "ENCODING_UNSUPPORTED"


class BatchTooLarge(ServiceError):
    """More images in one request than the settings allow."""

    reason = "BATCH_TOO_LARGE"


class AnswerTooLarge(ServiceError):
    """The answer to all that the request asks for has more bytes than a message may."""

    reason = "ANSWER_TOO_LARGE"


class ArgumentInvalid(ServiceError):
    """A field of the request holds a value that means nothing."""

    reason = "ARGUMENT_INVALID"


class ModelNotFound(ServiceError):
    """The repository has no model of that name."""

    reason = "MODEL_NOT_FOUND"


class VersionNotFound(ServiceError):
    """The model is known, but not that version or alias."""

    reason = "VERSION_NOT_FOUND"


class PrecisionNotFound(ServiceError):
    """The version is served, but not in that precision."""

    reason = "PRECISION_NOT_FOUND"


class ModelNotReady(ServiceError):
    """The version is still loading, or was refused."""

    reason = "MODEL_NOT_READY"


class QueueFull(ServiceError):
    """No room for more work; the caller may come back after `retry_seconds`."""

    reason = "QUEUE_FULL"

    def __init__(self, sentence: str, *, retry_seconds: float, **metadata: str) -> None:
        super().__init__(sentence, **metadata)
        self.retry_seconds = retry_seconds


class DeadlineUnreachable(ServiceError):
    """The answer would come too late, so no work was begun."""

    reason = "DEADLINE_UNREACHABLE"


class ShuttingDown(ServiceError):
    """The server is draining."""

    reason = "SHUTTING_DOWN"


class CallerGone(ServiceError):
    """The caller hung up before the request was whole."""

    reason = "CALLER_GONE"


class TokenMissing(ServiceError):
    """The caller brought no token, and this server asks for one."""

    reason = "TOKEN_MISSING"


class TokenInvalid(ServiceError):
    """The server does not know the token."""

    reason = "TOKEN_INVALID"


class NotPermitted(ServiceError):
    """The token does not allow this."""

    reason = "NOT_PERMITTED"


class RateExceeded(ServiceError):
    """The token is used faster than it may be; the caller may come back after `retry_seconds`."""

    reason = "RATE_EXCEEDED"

    def __init__(self, sentence: str, *, retry_seconds: float, **metadata: str) -> None:
        super().__init__(sentence, **metadata)
        self.retry_seconds = retry_seconds


class InferenceFailed(ServiceError):
    """The runtime failed on this batch; the cause is in the server's log."""

    reason = "INFERENCE_FAILED"


class NotOffered(ServiceError):
    """The call exists in the API, but this server does not answer it."""

    reason = "NOT_OFFERED"


class DeviceExhausted(ServiceError):
    """The device had no memory left for the batch."""

    reason = "DEVICE_EXHAUSTED"


class DeviceLost(ServiceError):
    """The device has failed; nothing can be computed in this process any more."""

    reason = "DEVICE_LOST"


def as_told(error: ServiceError) -> ServiceError:
    """What callers are told: the queue calls every failure of a session InferenceFailed, the device's own included."""
    cause = error.__cause__
    if isinstance(error, InferenceFailed) and isinstance(cause, DeviceExhausted | DeviceLost):
        return cause
    return error
