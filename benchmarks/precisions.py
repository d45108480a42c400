"""Images a second of each precision of a package through raw ONNX Runtime, the sessions taking turns.

A package is named by its directory; without one, a ResNet-18 for 224 pixels with random weights is exported and
quantised first (its speed is that of a trained one) and kept in --keep.

Example: taskset -c 0,1 .venv/bin/python benchmarks/precisions.py --batch 1 8 32 --seconds 60
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path[0] = str(Path(__file__).parents[1])  # run as a script, `import export` would find nothing

from export.graph import OUTPUTS, describe, graph_of, to_bytes
from export.quantize import quantize
from export.variants import processor
from export.verify import load_session, logits_of
from service.engine.session import Session, available_cores
from service.models.repository import ModelRepository
from training.config import Preprocessing
from training.models import build

SIDE = 224
IMAGES = 24


def resnet18(folder: Path) -> dict[str, bytes]:
    """fp32 and int8 of an untrained network."""
    files = {"fp32": folder / "resnet18.onnx", "int8": folder / "resnet18.int8.onnx"}
    if not all(file.exists() for file in files.values()):
        torch.manual_seed(0)
        preprocessing = Preprocessing(
            pixel_format="rgb8", height=SIDE, width=SIDE, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
        )
        properties = describe(("a", "b"), preprocessing, family="resnet18", digest="")
        graph = graph_of(build("resnet18").eval(), preprocessing, properties=properties)
        images = np.random.default_rng(0).integers(0, 256, size=(IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
        reference = logits_of(load_session(to_bytes(graph), OUTPUTS), images)
        quantised = quantize(graph, calibration=images, validation=images, reference=reference)
        folder.mkdir(parents=True, exist_ok=True)
        files["fp32"].write_bytes(to_bytes(graph))
        files["int8"].write_bytes(to_bytes(quantised.graph))
    return {precision: file.read_bytes() for precision, file in files.items()}


def measured(sessions: dict[str, Session], images: np.ndarray, seconds: float) -> dict[str, float]:
    """Median seconds of a batch for each session; they take turns, so that others disturb all alike."""
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for session in sessions.values():
        session.run(images)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, session in sessions.items():
            began = time.perf_counter()
            session.run(images)
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", nargs="?", type=Path, help="directory MODELS/NAME/VERSION")
    parser.add_argument("--keep", type=Path, default=Path("var/benchmarks"), help="where the ResNet-18 is kept")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=20.0, help="for each batch size")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.package is None:
        graphs, outputs, shape = resnet18(options.keep), OUTPUTS, (SIDE, SIDE, 3)
    else:
        place = options.package.resolve()
        package = ModelRepository(place.parents[1]).open(place.parent.name, int(place.name))
        spec, outputs = package.manifest.input, package.manifest.outputs
        graphs = {str(name): package.read(variant.file) for name, variant in package.manifest.variants.items()}
        shape = (spec.height, spec.width, spec.channels)
    sessions = {name: load_session(graph, outputs) for name, graph in graphs.items()}
    rows = []
    for size in options.batch:
        images = np.random.default_rng(1).integers(0, 256, size=(size, *shape), dtype=np.uint8)
        seconds = measured(sessions, images, options.seconds)
        for name, value in seconds.items():
            rows.append(
                {"batch": size, "precision": name, "images_per_second": size / value, "ratio": seconds["fp32"] / value}
            )
    if options.json:
        print(json.dumps({"processor": processor(), "threads": available_cores(), "rows": rows}))
        return
    print(f"{processor()}, {available_cores()} threads; medians, the sessions taking turns")
    for row in rows:
        print(
            f"batch {row['batch']:>3}  {row['precision']}  {row['images_per_second']:>9,.1f} images/s  "
            f"{row['ratio']:.2f} x fp32"
        )


if __name__ == "__main__":
    main()
