"""What decoding JPEG files scaled down does to the answers of a real network on real photographs.

The network is a ResNet-50 in torchvision's layout as safetensors, in the form of its authors (`caffe`): pixels less
their mean, the stride on the first convolution of a bottleneck. Photographs in folders named after ImageNet indices, or
with the index as the last part of their name (`imagenet_00_243.jpg`), are scored too.

Example: .venv/bin/python benchmarks/decode_accuracy.py --weights resnet50_imagenet.safetensors --images photographs/
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "proto")]

from service.engine.decode import ImageLimits, decode
from service.engine.decoding import Decoding, least_side
from service.engine.preprocess import preprocess
from service.models.manifest import InputSpec, PixelFormat, Resize
from training.models import Classifier, build

MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
STD = (1 / 255,) * 3
FOLDERS = {"ants": 310, "bees": 309}
BATCH_NORM_EPS = 1e-3
TARGETS = ((256, 224), (128, 112))
"""Shorter side of the resize, and crop: the second makes most photographs at least twice as large as the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One way of decoding against `exact`, over the photographs that it decodes otherwise."""

    decoding: Decoding
    resize_to: int
    photographs: int
    mean_difference: float
    """Of a pixel of the model's input, on the scale from 0 to 255."""
    same_best: float
    labelled: int
    accuracy: float
    accuracy_exact: float


def spec_of(resize_to: int, size: int) -> InputSpec:
    return InputSpec(
        pixel_format=PixelFormat.RGB8,
        height=size,
        width=size,
        resize=Resize.SHORTER_SIDE,
        resize_to=resize_to,
        mean=MEAN,
        std=STD,
    )


def prepared(files: list[bytes], spec: InputSpec, decoding: Decoding) -> npt.NDArray[np.uint8]:
    at_least = least_side(spec, decoding)
    limits = ImageLimits()
    return np.stack(
        [
            preprocess(decode(file, pixel_format=spec.pixel_format, limits=limits, at_least=at_least), spec)
            for file in files
        ]
    )


def best(network: Classifier, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    found = []
    with torch.inference_mode():
        for part in np.array_split(pixels, max(1, len(pixels) // 8)):
            images = (torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255 - mean) / std
            found.append(network(images).argmax(dim=1).numpy())
    return np.concatenate(found)


def label_of(path: Path) -> int:
    """The ImageNet index that a path tells; -1 where it tells none."""
    if path.parent.name in FOLDERS:
        return FOLDERS[path.parent.name]
    last = path.stem.rpartition("_")[2]
    return int(last) if path.stem.startswith("imagenet") and last.isdecimal() else -1


def compare(network: Classifier, paths: list[Path]) -> list[Agreement]:
    files = [path.read_bytes() for path in paths]
    labels = np.array([label_of(path) for path in paths])
    rows = []
    for resize_to, size in TARGETS:
        spec = spec_of(resize_to, size)
        exact = prepared(files, spec, Decoding.EXACT)
        answers = best(network, exact)
        for decoding in (Decoding.SCALED, Decoding.FAST):
            other = prepared(files, spec, decoding)
            # A step here and there is rounding; another way of decoding changes whole pictures.
            changed = np.array([np.abs(a.astype(int) - b).max() > 0 for a, b in zip(exact, other, strict=True)])
            if not changed.any():
                continue
            found = best(network, other[changed])
            known = labels[changed] >= 0
            rows.append(
                Agreement(
                    decoding=decoding,
                    resize_to=resize_to,
                    photographs=int(changed.sum()),
                    mean_difference=float(np.abs(exact[changed].astype(int) - other[changed]).mean()),
                    same_best=float((found == answers[changed]).mean()),
                    labelled=int(known.sum()),
                    accuracy=float((found == labels[changed])[known].mean()),
                    accuracy_exact=float((answers[changed] == labels[changed])[known].mean()),
                )
            )
            print_row(rows[-1])
    return rows


def print_row(row: Agreement) -> None:
    print(
        f"{row.decoding:7} shorter side to {row.resize_to}: {row.photographs:4} photographs, input differs by "
        f"{row.mean_difference:.2f} of 255, same best label {row.same_best:.1%}; of {row.labelled} with a label "
        f"{row.accuracy:.1%} right, {row.accuracy_exact:.1%} when decoded exactly",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--images", type=Path, nargs="+", required=True)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    network = build("resnet50", {"classes": 1000, "caffe": 1})
    state = {key.replace("fc.", "classifier."): value for key, value in load_file(given.weights).items()}
    network.load_state_dict(state)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = BATCH_NORM_EPS
    network.eval()
    paths = sorted(path for directory in given.images for path in directory.rglob("*.jpg"))
    rows = compare(network, paths)
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
