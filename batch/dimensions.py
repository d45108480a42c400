"""Width and height that an image file announces, read from its first bytes and with no pixel decoded.

The same for every engine, so that their rows are too; as the file stores them, before any rotation that EXIF asks for.
"""

import io
import struct

from PIL import Image

Image.MAX_IMAGE_PIXELS = None  # nothing is decoded here


def dimensions(data: bytes) -> tuple[int, int] | None:
    """(width, height); None where the bytes do not say."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except Exception:  # noqa: BLE001 - Pillow raises errors of all kinds for broken files
        return None
