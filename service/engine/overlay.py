"""A heat map laid over the image that it explains: warm colours speak for the label, cold ones against it."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

SHORTEST_SIDE = 224
STRENGTH = 0.65
FOR = (214, 73, 22)
AGAINST = (38, 98, 191)


def draw_overlay(tensor: npt.NDArray[np.uint8], values: npt.NDArray[np.float32]) -> bytes:
    """A PNG of the model's input `[H, W, C]`, enlarged where it is small, under the map `[rows, columns]`."""
    height, width = tensor.shape[:2]
    factor = max(1, -(-SHORTEST_SIDE // min(height, width)))
    size = (width * factor, height * factor)
    picture = Image.fromarray(tensor[:, :, 0] if tensor.shape[2] == 1 else tensor).convert("RGB")
    ground = np.asarray(picture.resize(size, Image.Resampling.NEAREST), dtype=np.float32)
    heat = np.asarray(Image.fromarray(_scaled(values)).resize(size, Image.Resampling.BICUBIC)).clip(-1.0, 1.0)
    colour = np.where(heat[..., np.newaxis] > 0, FOR, AGAINST)
    weight = STRENGTH * np.abs(heat)[..., np.newaxis]
    painted = ground * (1 - weight) + colour * weight
    buffer = io.BytesIO()
    Image.fromarray(painted.round().astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _scaled(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """To [-1, 1], zero staying zero; a map of zeros stays one."""
    largest = float(np.abs(values).max())
    return values.astype(np.float32) / np.float32(largest or 1.0)
