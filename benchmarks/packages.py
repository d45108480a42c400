"""The packages that are measured: networks with random weights, since speed does not ask what was learned.

Their logits are spread by a few passes that fit the batch norms, so that answers differ from image to image and can be
checked. Pictures are drawn, and no data set is needed; `--images DIR` of the benchmarks takes photographs instead.
"""

import io
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter

from export.destination import DirectoryDestination
from export.importing import import_model
from training.models import build

RESNET18, FASHION_CNN = "resnet18", "fashion_cnn"
PICTURES = 16
IMAGENET_LABELS = 1000
FASHION_LABELS = 10


def prepare_packages(root: Path) -> Path:
    """The repository below `root`, with both packages; what is there already is kept."""
    models = root / "models"
    with tempfile.TemporaryDirectory() as work:
        if not (models / RESNET18 / "1").is_dir():
            network = build("resnet18", {"classes": IMAGENET_LABELS})
            _publish(RESNET18, network, (3, 224, 224), "imagenet", draw_photographs(PICTURES), models, Path(work))
        if not (models / FASHION_CNN / "1").is_dir():
            network = build("fashion_cnn", {"classes": FASHION_LABELS})
            _publish(FASHION_CNN, network, (1, 28, 28), "unit", draw_photographs(PICTURES), models, Path(work))
    return models


def photographs(directory: Path | None) -> tuple[bytes, ...]:
    """JPEG files of a directory, at most 64 of them, or drawn ones of 500 × 375."""
    if directory is None:
        return draw_photographs(PICTURES)
    return tuple(path.read_bytes() for path in sorted(directory.rglob("*.jpg"))[:64])


def draw_photographs(count: int, *, height: int = 375, width: int = 500, quality: int = 90) -> tuple[bytes, ...]:
    """JPEG files with edges, gradients and grain: about 70 kB each at the default size, as photographs have."""
    return tuple(_photograph(np.random.default_rng(seed), height, width, quality) for seed in range(count))


def _photograph(chance: np.random.Generator, height: int, width: int, quality: int) -> bytes:
    coarse = Image.fromarray(chance.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    fine = Image.fromarray(chance.integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8))
    ground = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    detail = np.asarray(fine.resize((width, height), Image.Resampling.NEAREST), dtype=np.float32) - 128
    grain = chance.normal(0, 4, (height, width, 1))
    pixels = np.clip(ground + 0.15 * detail + grain, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.6)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _publish(
    name: str,
    network: torch.nn.Module,
    shape: tuple[int, int, int],
    preprocessing: str,
    pictures: tuple[bytes, ...],
    models: Path,
    work: Path,
) -> None:
    torch.manual_seed(0)
    network.train()
    with torch.no_grad():
        for _ in range(10):
            network(torch.randn(16, *shape))
    network.eval()
    file, images, labels = work / f"{name}.onnx", work / "images", work / f"{name}.json"
    batch = torch.export.Dim("batch")
    torch.onnx.export(
        network,
        (torch.randn(2, *shape),),
        file,
        dynamo=True,
        dynamic_shapes=({0: batch},),
        external_data=False,
        verbose=False,
    )
    images.mkdir(exist_ok=True)
    for place, picture in enumerate(pictures):
        (images / f"{place}.jpg").write_bytes(picture)
    with torch.no_grad():
        count = network(torch.randn(1, *shape)).shape[1]
    labels.write_text(json.dumps([f"label {index}" for index in range(count)]), encoding="utf-8")
    import_model(
        file,
        labels=labels,
        preprocessing=preprocessing,
        images=images,
        name=name,
        repository=DirectoryDestination(models),
        licence="none",
    )
