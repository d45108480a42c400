"""A file becomes a picture by the rules of the service, so that training sees what the server will see."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from training.errors import DataDamaged

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})


def read_picture(path: Path, content: bytes) -> Image.Image:
    """Decoded whole, upright, grey or RGB: 16 bits are scaled to 8, transparency is laid on white.

    Raises DataDamaged with the reason.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataDamaged(f"{path.suffix or 'no suffix'}: not a format for photographs")
    try:
        with Image.open(BytesIO(content)) as picture:
            return _plain(ImageOps.exif_transpose(picture))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataDamaged(f"cannot be decoded: {type(error).__name__}") from error


def _plain(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        wide = np.asarray(picture, dtype=np.float32)
        return Image.fromarray((np.clip(wide, 0, 65535) / 257.0).round().astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("L" if picture.mode in {"1", "L"} else "RGB")
