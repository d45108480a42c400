"""Answers by gzip or deflate over HTTP, where the caller accepts that. (Bodies: service/api/rest/encoding.py.)"""

import asyncio
import gzip
import zlib
from collections.abc import Mapping

WORTH_IT_BYTES = 1024
LEVEL = 1


async def deflated(body: bytes, accepted: str) -> tuple[bytes, Mapping[str, str]]:
    """The body as the caller accepts it, and the headers that say so; compressed in a thread."""
    names = [part.partition(";")[0].strip() for part in accepted.split(",") if "q=0" not in part.replace("q=0.", "")]
    if len(body) < WORTH_IT_BYTES or not {"gzip", "deflate"} & set(names):
        return body, {}
    if "gzip" in names:
        return await asyncio.to_thread(gzip.compress, body, LEVEL), {"Content-Encoding": "gzip"}
    return await asyncio.to_thread(zlib.compress, body, LEVEL), {"Content-Encoding": "deflate"}
