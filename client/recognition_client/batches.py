"""Images on their way to the server: bytes and paths in, batches that fit into one request each out."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import grpc

from recognition_client.channel import MAX_MESSAGE_BYTES
from recognition_client.errors import ImageRejected
from recognition_client.results import Classification, ImageError
from recognition_client.status import IMAGE_TOO_LARGE, ErrorDetails

Image: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str]
"""An encoded image (JPEG, PNG, ...), or the path of a file that holds one."""

Answer = TypeVar("Answer")
Outcome: TypeAlias = Classification | ImageError

IMAGES_PER_REQUEST = 64
BYTES_PER_REQUEST = 16 * 2**20
_MAX_IMAGE_BYTES = MAX_MESSAGE_BYTES - 2**20  # the rest is for everything else in the message


@dataclass(frozen=True, slots=True)
class Batch:
    """Neighbours that travel in one request; those that could not be read stay behind as errors in their places."""

    entries: tuple[bytes | ImageError, ...]

    @property
    def images(self) -> list[bytes]:
        return [entry for entry in self.entries if isinstance(entry, bytes)]

    def halves(self) -> tuple["Batch", "Batch"]:
        middle = len(self.entries) // 2
        return Batch(self.entries[:middle]), Batch(self.entries[middle:])

    def merge(self, outcomes: Sequence[Answer | ImageError]) -> list[Answer | ImageError]:
        """One outcome for each entry: the server's for what was sent, its own for what was not."""
        answered = iter(outcomes)
        return [entry if isinstance(entry, ImageError) else next(answered) for entry in self.entries]


def batches(images: Iterable[Image], *, images_per_request: int = IMAGES_PER_REQUEST) -> Iterator[Batch]:
    """Cuts images of any number into batches, reading files only when their batch is due. A larger image goes alone."""
    if isinstance(images, str | bytes | bytearray | memoryview):
        raise TypeError("images is a list of images or paths, and not a single one")
    if images_per_request < 1:
        raise ValueError(f"images_per_request is 1 or more, and not {images_per_request}")
    entries: list[bytes | ImageError] = []
    size = 0
    for image in images:
        entry = entry_of(image)
        length = len(entry) if isinstance(entry, bytes) else 0
        if len(entries) == images_per_request or (entries and size + length > BYTES_PER_REQUEST):
            yield Batch(tuple(entries))
            entries, size = [], 0
        entries.append(entry)
        size += length
    if entries:
        yield Batch(tuple(entries))


def read_image(image: Image) -> bytes:
    """The bytes of an image. Raises OSError for a file that cannot be read, ImageRejected for one that is too large."""
    if isinstance(image, str | os.PathLike):
        with Path(image).open("rb") as file:
            data = file.read(_MAX_IMAGE_BYTES + 1)
    elif isinstance(image, bytes | bytearray | memoryview):
        data = bytes(image)
    else:
        raise TypeError(f"an image is bytes or a path, and not {type(image).__name__}")
    if len(data) > _MAX_IMAGE_BYTES:
        sentence = f"The image is larger than {_MAX_IMAGE_BYTES // 2**20} MiB and was not sent"
        raise ImageRejected(
            ErrorDetails(code=grpc.StatusCode.INVALID_ARGUMENT, reason=IMAGE_TOO_LARGE, message=sentence)
        )
    return data


def entry_of(image: Image) -> bytes | ImageError:
    """The bytes of an image, or why there are none."""
    if isinstance(image, bytes) and len(image) <= _MAX_IMAGE_BYTES:  # thousands a second, where images are small
        return image
    try:
        return read_image(image)
    except ImageRejected as error:
        return ImageError.from_details(error.details)
    except OSError as error:
        return ImageError(
            code=grpc.StatusCode.INVALID_ARGUMENT,
            reason="FILE_UNREADABLE",
            message=f"The file cannot be read: {error.strerror or error}",
        )
