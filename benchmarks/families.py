"""Every model of the training package in its full form through `recognition-export import`: size and difference.

Weights are random (He's scale, statistics measured on the pictures), so int8 says little of trained accuracy; that the
graph computes what torch computes does not depend on it. One process for each model, one line of JSON in --results for
each; models that have a line are passed over, so it may be stopped and started again. --table prints them in Markdown.

Example: .venv/bin/python benchmarks/families.py --images photos --results var/benchmarks/families.jsonl
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

ROOT = Path(__file__).parents[1]
sys.path[0] = str(ROOT)  # run as a script, `import training` would find another file of that name

from service.models.golden import GoldenSamples
from training.models import MODELS, Classifier, build

PICTURES = 24
STATISTICS = 4
PREPROCESSING = {1: {"mean": [0.286], "std": [0.353]}, 3: {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}


def wake(model: Classifier) -> Classifier:
    """Weights under which logits differ from picture to picture, as fresh ones do not."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
        module.train(isinstance(module, nn.BatchNorm2d))
    with torch.no_grad():
        model(torch.randn(STATISTICS, *model.input_shape))
    return model.eval()


def measured(name: str, images: Path) -> dict[str, Any]:
    """The model's row: what the command reports, and how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        weights, how, labels = (place / file for file in (f"{name}.safetensors", "how.json", "labels.txt"))
        model = wake(build(name))
        channels = model.input_shape[0]
        how.write_text(json.dumps(PREPROCESSING[channels]))
        with torch.no_grad():
            outputs = model(torch.zeros(1, *model.input_shape)).shape[1]
        labels.write_text("".join(f"{index}\n" for index in range(outputs)))
        save_file({key: tensor.contiguous() for key, tensor in model.state_dict().items()}, weights)
        del model
        began = time.perf_counter()
        command = ["-m", "export", "import", weights, "--architecture", name, "--labels", labels, "--images", images]
        options = ["--preprocessing", how, "--precisions", "fp32,fp16,int8", "--max-accuracy-loss", "100"]
        done = subprocess.run(
            [sys.executable, *map(str, [*command, *options, "--to", place / "models", "--json"])],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            return {"name": name, "error": done.stderr.strip().splitlines()[-1]}
        report = json.loads(done.stdout)
        golden = GoldenSamples.from_bytes((Path(report["path"]) / "golden.npz").read_bytes())
        return row(report["manifest"], float(np.ptp(golden.logits, axis=0).max()), time.perf_counter() - began)


def row(manifest: dict[str, Any], spread: float, seconds: float) -> dict[str, Any]:
    """Differences as a share of the spread of the logits over the pictures."""
    return {
        "name": manifest["name"],
        "opset": manifest["opset"],
        "parameters": manifest["parameters"],
        "seconds": round(seconds, 1),
        "heat_map": manifest["explanation"] is not None,
        "left_out": manifest["left_out"],
        "variants": {
            precision: {
                "bytes": manifest["files"][variant["file"]]["size_bytes"],
                "difference": variant["max_abs_difference"] / spread,
                "agreement": variant["comparison"]["agreement"],
            }
            for precision, variant in manifest["variants"].items()
        },
    }


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| model | opset | fp32 bytes | fp32 diff. | fp16 bytes | fp16 diff. | int8 bytes | int8 diff. | heat map |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---|"
    for found in rows:
        if "error" in found:
            yield f"| {found['name']} | {found['error']} |"
            continue
        cells = [
            f"{variant['bytes']:,} | {variant['difference']:.1e}" if variant else "– | –"
            for variant in (found["variants"].get(precision) for precision in ("fp32", "fp16", "int8"))
        ]
        heat_map = "yes" if found["heat_map"] else "no"
        yield f"| {found['name']} | {found['opset']} | {' | '.join(cells)} | {heat_map} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=sorted(MODELS), help="default: all")
    parser.add_argument("--images", type=Path, help="directory of pictures; the first of them are taken")
    parser.add_argument("--results", type=Path, default=Path("var/benchmarks/families.jsonl"))
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    rows = [json.loads(line) for line in lines]
    if options.table:
        print("\n".join(table(sorted(rows, key=lambda found: str(found["name"])))))
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = sorted(path for path in options.images.rglob("*") if path.suffix in {".jpg", ".png"})[:PICTURES]
        for path in paths:
            (Path(folder) / path.name).symlink_to(path.resolve())
        for name in options.models:
            if name not in {found["name"] for found in rows}:
                found = measured(name, Path(folder))
                with options.results.open("a") as file:
                    file.write(json.dumps(found) + "\n")
                print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
