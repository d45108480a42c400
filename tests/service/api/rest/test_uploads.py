"""Bodies, read within limits."""

import asyncio
import gzip
import zlib

import pytest
from starlette.requests import Request

from service.api.rest.uploads import UploadLimits, UploadReader
from service.errors import ArgumentInvalid, CallerGone, DeadlineUnreachable, ImageTooLarge, ServiceError

LIMITS = UploadLimits(max_image_bytes=100, max_images=3, max_body_bytes=1000, seconds=5.0)


def request(*chunks: bytes | None, **headers: str) -> Request:
    """A request whose body comes in these pieces; None is a caller who hangs up."""
    waiting = list(chunks)

    async def receive() -> dict[str, object]:
        if not waiting:
            await asyncio.sleep(3600)
        chunk = waiting.pop(0)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": chunk != b""}

    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": encoded}, receive)


async def test_a_raw_body_is_one_image() -> None:
    """Put together from its pieces."""
    assert await UploadReader(LIMITS).image(request(b"one", b"two", b"")) == b"onetwo"


async def test_an_image_that_is_too_large_is_read_to_its_end_and_refused() -> None:
    """So that the caller, who is still sending, gets to read the answer."""
    coming = request(*[bytes(60)] * 5, b"")
    with pytest.raises(ImageTooLarge):
        await UploadReader(LIMITS).image(coming)
    assert coming._stream_consumed


@pytest.mark.parametrize("length", ["1001", "9" * 30])
async def test_a_body_that_announces_too_much_is_not_read(length: str) -> None:
    """Refused by its header alone; nothing would ever come here."""
    with pytest.raises(ImageTooLarge, match="1,000"):
        await UploadReader(LIMITS).image(request(content_length=length))


async def test_a_body_that_announces_nothing_ends_where_it_becomes_too_large() -> None:
    """Although its sender would never stop."""
    with pytest.raises(ImageTooLarge, match="1,000"):
        await UploadReader(LIMITS).image(request(*[bytes(60)] * 20))


async def test_a_compressed_image_that_is_too_large_is_inflated_no_further() -> None:
    """Refused where it passes the limit, not where the body ends, which here it never does."""
    limits = UploadLimits(max_image_bytes=100_000, max_images=1, max_body_bytes=10_000_000, seconds=5.0)
    begun = gzip.compress(bytes(5_000_000))[:2000]
    with pytest.raises(ImageTooLarge, match="100,000"):
        await UploadReader(limits).image(request(begun, None, content_encoding="gzip"))


async def test_others_are_served_while_a_body_is_inflated() -> None:
    """One small chunk that holds a hundred pieces does not keep the loop to itself."""
    limits = UploadLimits(max_image_bytes=10_000_000, max_images=1, max_body_bytes=10_000_000, seconds=60.0)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    body = await UploadReader(limits).body(request(gzip.compress(bytes(6_553_600)), b"", content_encoding="gzip"))
    task.cancel()
    assert len(body) == 6_553_600
    assert turns > 50


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate"])
async def test_bodies_may_come_compressed(encoding: str) -> None:
    """Images, forms and any other body, by one rule; the limits are those of what is in them."""
    reader, compress = UploadReader(LIMITS), zlib.compress if encoding == "deflate" else gzip.compress
    assert await reader.image(request(*cut(compress(b"one")), content_encoding=encoding)) == b"one"
    assert await reader.body(request(*cut(compress(b"all")), content_encoding=encoding)) == b"all"
    kind = "multipart/form-data; boundary=f"
    files = request(*cut(compress(form_body(b"one"))), content_encoding=encoding, content_type=kind)
    assert await reader.image(files) == b"one"
    with pytest.raises(ImageTooLarge, match="100"):
        await reader.image(request(*cut(compress(bytes(101))), content_encoding=encoding))
    with pytest.raises(ImageTooLarge, match="inflates to more than 1,000 bytes"):
        await reader.image(request(*cut(compress(bytes(10_000_000)))[:9], content_encoding=encoding))


def cut(body: bytes) -> list[bytes]:
    return [body[at : at + 7] for at in range(0, len(body), 7)] + [b""]


async def test_a_body_that_dawdles_is_refused() -> None:
    """It may not keep its place for ever."""
    hasty = UploadReader(UploadLimits(max_image_bytes=100, max_images=3, max_body_bytes=1000, seconds=0.05))
    with pytest.raises(DeadlineUnreachable):
        await hasty.image(request(b"one"))


async def test_a_caller_who_hangs_up_is_no_fault_of_the_server() -> None:
    """CALLER_GONE, and no traceback in the log."""
    with pytest.raises(CallerGone):
        await UploadReader(LIMITS).image(request(b"one", None))


async def test_calls_for_one_image_take_a_form_of_one_file() -> None:
    """And refuse one of two, and the error of a file that is too large is theirs."""
    reader = UploadReader(LIMITS)
    assert await reader.image(form(b"one")) == b"one"
    with pytest.raises(ArgumentInvalid, match="2 files"):
        await reader.image(form(b"one", b"two"))
    with pytest.raises(ServiceError) as refused:
        await reader.image(form(bytes(101)))
    assert refused.value.reason == "IMAGE_TOO_LARGE"


def form(*contents: bytes) -> Request:
    return request(form_body(*contents), b"", content_type="multipart/form-data; boundary=f")


def form_body(*contents: bytes) -> bytes:
    head = b'--f\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
    return b"".join(head + content + b"\r\n" for content in contents) + b"--f--\r\n"
