"""Seconds an epoch of each recipe takes on this device, from short epochs, one process and nothing beside it.

On a GPU steps are recorded graphs; recipes of --eager are measured also as Python sends them, operation by operation,
those of --tuned also with kernels that cuDNN chooses by trying them. The first short epoch, in which kernels are chosen
and the graph is recorded, is given apart.

Example: .venv/bin/python benchmarks/steps.py fashion_cnn_full resnet18_full --seconds 1
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path[0] = str(Path(__file__).resolve().parents[1])  # run as a script, `import training` would find another file

from benchmarks.arguments import count, duration, recipe_name
from training.config import Recipe
from training.data import Images, load, split
from training.device import choose_device, fastest_precision, rough_convolutions
from training.evaluate import predict
from training.loop import Trainer
from training.models import build
from training.recipes import find_recipe

TRAINING_IMAGES = 55_000


def wait(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def measured(recipe: Recipe, images: Images, validation: Images, *, way: str, seconds: float) -> dict[str, Any]:
    """Short epochs for about so long, after a first one; then a second look at the validation pictures."""
    device = choose_device("auto")
    torch.backends.cudnn.benchmark = way == "tuned"
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    torch.manual_seed(0)
    model = build(recipe.model.name, recipe.model.arguments).to(device)
    precision = fastest_precision(model, steps=0)
    trainer = Trainer(model, images, recipe, seed=0, precision=precision, graph=way != "eager")
    began = wait(device)
    trainer.run_epoch()
    settled = ended = wait(device)
    while ended - settled < seconds:
        trainer.run_epoch()
        ended = wait(device)
    with rough_convolutions():
        predict(trainer.model, validation, recipe.preprocessing)
        again = wait(device)
        predict(trainer.model, validation, recipe.preprocessing)
    step = (ended - settled) / ((trainer.epoch - 1) * recipe.steps_per_epoch(len(images)))
    return {
        "recipe": recipe.name,
        "way": way,
        "first_short_epoch_seconds": round(settled - began, 2),
        "step_ms": round(1000 * step, 3),
        "epoch_seconds": round(step * TRAINING_IMAGES / recipe.batch_size, 3),
        "images_per_second": round(recipe.batch_size / step),
        "validation_seconds": round(wait(device) - again, 3),
        "memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if device.type == "cuda" else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", type=recipe_name, metavar="NAME")
    parser.add_argument("--data", type=Path, help="directory of the data set")
    parser.add_argument("--seconds", type=duration, default=0.7, help="for each measurement")
    parser.add_argument("--limit", type=count, default=10_000, help="training pictures of a short epoch")
    parser.add_argument("--eager", nargs="*", default=[], metavar="NAME", help="without a graph too")
    parser.add_argument("--tuned", nargs="*", default=[], metavar="NAME", help="with cuDNN's trials too")
    options = parser.parse_args()
    parts = {}
    for name in options.recipes:
        recipe = find_recipe(name)
        size = recipe.preprocessing.height
        if size not in parts:
            parts[size] = split(load(recipe.data.name, options.data, recipe.preprocessing), seed=0, limit=options.limit)
        ways = ["graph", *["eager"] * (name in options.eager), *["tuned"] * (name in options.tuned)]
        ways = ways if choose_device("auto").type == "cuda" else ["eager"]  # a CPU knows no other
        for way in ways:
            try:
                found = measured(recipe, parts[size].train, parts[size].validation, way=way, seconds=options.seconds)
            except Exception as error:  # noqa: BLE001 - one that fails must not take the others with it
                found = {"recipe": name, "way": way, "failed": f"{type(error).__name__}: {error}"}
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
