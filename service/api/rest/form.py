"""A multipart form, fed piece by piece: the files come out, each whole, or with the error of one that is too large."""

from collections.abc import Callable
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import ArgumentInvalid, BatchTooLarge, ImageTooLarge, ServiceError

LONGEST_NAME = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file of a form: its content, or why there is none."""

    name: str
    content: bytes | ServiceError


@dataclass(slots=True)
class _Part:
    disposition: bytes = b""
    content: bytearray = field(default_factory=bytearray)
    too_large: bool = False


class Form:
    """Holds no more of a file than an image may have; every part must be a file."""

    def __init__(self, boundary: bytes, *, max_image_bytes: int, max_images: int) -> None:
        self._max_image_bytes = max_image_bytes
        self._max_images = max_images
        self._uploads: list[Upload] = []
        self._part = _Part()
        self._header = (bytearray(), bytearray())  # name, value
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._on_header(0),
                    "on_header_value": self._on_header(1),
                    "on_header_end": self._end_header,
                    "on_part_data": self._on_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _malformed() from error

    def feed(self, chunk: bytes) -> None:
        """Raises ArgumentInvalid for what is no form of files, BatchTooLarge for too many of them."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed() from error

    def finish(self) -> list[Upload]:
        """The files in their order. Raises ArgumentInvalid where there is none, or where the form was cut short."""
        if not self._complete:
            raise _malformed()
        if not self._uploads:
            raise ArgumentInvalid("The form holds no file; send the images as its files.", field="body")
        return self._uploads

    def _begin_part(self) -> None:
        if len(self._uploads) >= self._max_images:
            raise BatchTooLarge(
                f"The form has more than {self._max_images} files, and no more are accepted. Send several requests.",
                field="body",
            )
        self._part = _Part()
        self._header = (bytearray(), bytearray())

    def _on_header(self, place: int) -> Callable[[bytes, int, int], None]:
        def note(data: bytes, start: int, end: int) -> None:
            self._header[place].extend(data[start:end])

        return note

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._part.disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.too_large or len(part.content) + end - start > self._max_image_bytes:
            part.too_large = True
            part.content.clear()
        else:
            part.content += data[start:end]

    def _end_part(self) -> None:
        _, options = parse_options_header(self._part.disposition.decode("latin-1"))
        field_name = _text(options.get(b"name", b""))
        if b"filename" not in options:
            raise ArgumentInvalid(
                f"The form's field {field_name!r} is not a file; options belong into the query of the URL.",
                field="body",
            )
        name = _text(options[b"filename"]) or field_name
        content = too_large(self._max_image_bytes) if self._part.too_large else bytes(self._part.content)
        self._uploads.append(Upload(name=name, content=content))

    def _end(self) -> None:
        self._complete = True


def too_large(max_image_bytes: int) -> ImageTooLarge:
    """The error of an image whose bytes were not kept."""
    return ImageTooLarge(
        f"The image has more than {max_image_bytes:,} bytes, and no more are accepted. Send a smaller file.",
        limit_bytes=str(max_image_bytes),
    )


def _text(name: bytes) -> str:
    return name.decode("utf-8", errors="replace")[:LONGEST_NAME]


def _malformed() -> ArgumentInvalid:
    return ArgumentInvalid("The multipart form is malformed or cut short; send it whole.", field="body")
