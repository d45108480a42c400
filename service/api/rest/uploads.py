"""Images out of the body of an HTTP request, read as it comes: raw, or a multipart form with several files.

What passes a limit is not kept: an image that is too large is dropped while it streams by, and a body that is larger
than a message may be ends the call at once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from service.api.rest.encoding import PLAIN, Inflater
from service.api.rest.form import Form, Upload, too_large
from service.errors import ArgumentInvalid, CallerGone, DeadlineUnreachable, ImageTooLarge, ServiceError

MULTIPART = b"multipart/form-data"
LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """What is refused while it is read."""

    max_image_bytes: int
    max_images: int
    max_body_bytes: int
    seconds: float
    """In which the whole body must have come."""


class UploadReader:
    """Reads bodies within limits."""

    def __init__(self, limits: UploadLimits) -> None:
        self._limits = limits

    async def image(self, request: Request) -> bytes:
        """The one image of a call: the raw body, or the only file of a form. Raises a ServiceError."""
        uploads = await self.files(request)
        if len(uploads) > 1:
            raise ArgumentInvalid(f"The form holds {len(uploads)} files; send one.", field="body")
        content = uploads[0].content
        if isinstance(content, ServiceError):
            raise content
        return content

    async def files(self, request: Request) -> list[Upload]:
        """The files of a form, or the raw body as the only one. Raises a ServiceError for what concerns all of them."""
        if not is_form(request):
            return [Upload(name="", content=await self._raw(request))]
        limits = self._limits
        _, options = parse_options_header(request.headers["content-type"])
        form = Form(options.get(b"boundary", b""), max_image_bytes=limits.max_image_bytes, max_images=limits.max_images)
        async with self._reading():
            async for chunk in self._chunks(request):
                form.feed(chunk)
        return form.finish()

    async def body(self, request: Request) -> bytes:
        """All of it, whatever it holds. Raises a ServiceError."""
        async with self._reading():
            return b"".join([chunk async for chunk in self._chunks(request)])

    async def _raw(self, request: Request) -> bytes:
        limit = self._limits.max_image_bytes
        compressed = request.headers.get("content-encoding", "").strip().lower() not in PLAIN
        content = bytearray()
        dropped = False
        async with self._reading():
            async for chunk in self._chunks(request):
                dropped = dropped or len(content) + len(chunk) > limit
                if dropped:
                    if compressed:  # what a few bytes of it hold would be inflated for nothing
                        raise too_large(limit)
                    content.clear()
                else:
                    content += chunk
        if dropped:
            raise too_large(limit)
        return bytes(content)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        """Raises DeadlineUnreachable for a body that dawdles, CallerGone for one that breaks off."""
        try:
            async with asyncio.timeout(self._limits.seconds):
                yield
        except TimeoutError as error:
            raise DeadlineUnreachable("The body did not come in time; send it faster, or in smaller parts.") from error
        except ClientDisconnect as error:
            raise CallerGone("The caller hung up before the body was whole.") from error

    async def _chunks(self, request: Request) -> AsyncIterator[bytes]:
        """The body as it comes, inflated where it is compressed.

        Raises ImageTooLarge as soon as more is announced, sent or inflated than may be.
        """
        limit = self._limits.max_body_bytes
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and (len(announced) > LONGEST_NUMBER or int(announced) > limit):
            raise self._body_too_large()
        inflater = Inflater(request.headers.get("content-encoding", ""), max_bytes=limit)
        read = 0
        async for chunk in request.stream():
            read += len(chunk)
            if read > limit:
                raise self._body_too_large()
            for piece in inflater.feed(chunk):
                yield piece
                if inflater.compressed:
                    await asyncio.sleep(0)  # a small chunk may hold many pieces, and others are served between them
        inflater.finish()

    def _body_too_large(self) -> ImageTooLarge:
        limit = self._limits.max_body_bytes
        return ImageTooLarge(
            f"The body has more than {limit:,} bytes, and no more are accepted. Send fewer or smaller images.",
            limit_bytes=str(limit),
        )


def is_form(request: Request) -> bool:
    """Whether the body is a form of files rather than an image itself."""
    kind, _ = parse_options_header(request.headers.get("content-type"))
    return kind == MULTIPART
