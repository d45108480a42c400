"""gzip and deflate over HTTP, both ways; what a small body inflates to is bounded by what a body may have."""

import asyncio
import gzip
import zlib
from collections.abc import Mapping

from service.errors import ArgumentInvalid, ImageTooLarge, NotOffered

EITHER_FORMAT = 47
"""zlib's window bits that stand for gzip or zlib, whichever comes."""
WORTH_IT_BYTES = 1024
LEVEL = 1


def inflated(body: bytes, encoding: str, *, max_bytes: int) -> bytes:
    """The body as it was before its Content-Encoding. Raises ArgumentInvalid, ImageTooLarge or NotOffered."""
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "deflate"}:
        raise NotOffered(f"the Content-Encoding {encoding[:32]!r} is not read; send gzip, deflate or identity")
    inflate = zlib.decompressobj(EITHER_FORMAT)
    try:
        plain = inflate.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise ArgumentInvalid(f"the body is not {encoding}", field="body") from error
    if len(plain) > max_bytes:
        raise ImageTooLarge(
            f"The body inflates to more than {max_bytes:,} bytes, and no more are accepted.", limit_bytes=str(max_bytes)
        )
    if not inflate.eof:
        raise ArgumentInvalid(f"the {encoding} body is cut short", field="body")
    return plain


async def deflated(body: bytes, accepted: str) -> tuple[bytes, Mapping[str, str]]:
    """The body as the caller accepts it, and the headers that say so; compressed in a thread."""
    names = [part.partition(";")[0].strip() for part in accepted.split(",") if "q=0" not in part.replace("q=0.", "")]
    if len(body) < WORTH_IT_BYTES or not {"gzip", "deflate"} & set(names):
        return body, {}
    if "gzip" in names:
        return await asyncio.to_thread(gzip.compress, body, LEVEL), {"Content-Encoding": "gzip"}
    return await asyncio.to_thread(zlib.compress, body, LEVEL), {"Content-Encoding": "deflate"}
