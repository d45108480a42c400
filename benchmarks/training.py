"""Seconds to an accuracy and images per second of our loop, next to two others in the same process.

(a) is what tutorials do: pictures through a DataLoader, Adam, float32. (b) is strong: the same model, optimiser and
schedule as ours, tensors in memory, channels_last, bf16. The three take turns, an epoch each, so that a busy machine is
as unfair to one as to another; who has reached the target, and has been timed for three epochs, leaves the race. Wall
time and processor time are both counted, the loader's workers included: the second is not stretched by other work.

Example: .venv/bin/python benchmarks/training.py --target 0.91 --epochs 4
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import transforms

sys.path[0] = str(Path(__file__).parents[1])  # run as a script, `import training` would find this very file

from training.config import Augmentation, Optimizer, Preprocessing, Recipe
from training.data import Images, Splits, load, split
from training.device import Precision, fastest_precision
from training.evaluate import as_tensor, normalise, predict
from training.loop import Trainer
from training.models import Classifier, build
from training.recipes import find_recipe

END = object()
TIMED_EPOCHS = 3
TUTORIAL_EPOCHS = 15
"""(a) has no schedule that would end; it is given up after so many."""


@dataclass
class Contestant:
    """One way to train; each `next` of its epochs is one pass over the training images."""

    name: str
    model: Classifier
    epochs: Iterator[None]
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    to_target: float | None = None
    cpu_to_target: float | None = None
    accuracy: float = 0.0


class Pictures(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """One picture at a time through torchvision's transforms, as in the tutorials."""

    def __init__(self, images: Images, preprocessing: Preprocessing, *, flip: bool) -> None:
        self._images = images
        steps = [transforms.ToTensor(), transforms.Normalize(preprocessing.mean, preprocessing.std)]
        self._transform = transforms.Compose([*([transforms.RandomHorizontalFlip()] if flip else []), *steps])

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = transforms.functional.to_pil_image(self._images.pixels[index])
        return self._transform(picture), int(self._images.labels[index])


def ours(recipe: Recipe, images: Images, precision: Precision, device: torch.device) -> Contestant:
    model = fresh(recipe, device)
    trainer = Trainer(model, images, recipe, seed=0, precision=precision, graph=True)

    def epochs() -> Iterator[None]:
        for _ in range(recipe.epochs):
            trainer.run_epoch()
            yield

    return Contestant("recognition", trainer.model, epochs())


def plain(recipe: Recipe, images: Images, device: torch.device, workers: int, most: int) -> Contestant:
    model = fresh(recipe, device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    pictures = Pictures(images, recipe.preprocessing, flip=recipe.augmentation.flip)
    loader = DataLoader(
        pictures, batch_size=recipe.batch_size, shuffle=True, num_workers=workers, persistent_workers=True
    )

    def epochs() -> Iterator[None]:
        for _ in range(most):
            model.train()
            for pixels, labels in loader:
                loss = functional.cross_entropy(model(pixels.to(device)), labels.to(device))
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
            yield

    return Contestant("(a) DataLoader + Adam", model, epochs())


def strong(recipe: Recipe, images: Images, device: torch.device) -> Contestant:
    model = fresh(recipe, device).to(memory_format=torch.channels_last)
    rate, decay = recipe.optimization.learning_rate, recipe.optimization.weight_decay
    optimizer: torch.optim.Optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    if recipe.optimization.optimizer is Optimizer.SGD:
        optimizer = torch.optim.SGD(model.parameters(), lr=rate, weight_decay=decay, momentum=0.9, nesterov=True)
    steps = recipe.epochs * recipe.steps_per_epoch(len(images))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps, cycle_momentum=False)
    pixels = normalise(as_tensor(images.pixels), recipe.preprocessing).to(device, memory_format=torch.channels_last)
    labels = torch.from_numpy(images.labels).to(device)

    def epochs() -> Iterator[None]:
        for _ in range(recipe.epochs):
            model.train()
            for indices in torch.split(torch.randperm(len(labels), device=device), recipe.batch_size):
                batch = pixels[indices]
                batch = batch.flip(3) if recipe.augmentation.flip and torch.rand(()) < 0.5 else batch
                with torch.autocast(device.type, torch.bfloat16):
                    logits = model(batch)
                loss = functional.cross_entropy(logits.float(), labels[indices])
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
            yield

    return Contestant("(b) tensors + bf16", model, epochs())


def fresh(recipe: Recipe, device: torch.device) -> Classifier:
    torch.manual_seed(0)
    return build(recipe.model.name, recipe.model.arguments).to(device)


def race(contestants: list[Contestant], recipe: Recipe, splits: Splits, target: float) -> None:
    """An epoch each, in turn, until all have the target or have ended; validation is not part of the time."""
    running = list(contestants)
    while running:
        for one in list(running):
            started, processor = time.perf_counter(), cpu_time()
            if next(one.epochs, END) is END:
                running.remove(one)
                continue
            one.seconds.append(time.perf_counter() - started)
            one.cpu_seconds.append(cpu_time() - processor)
            predictions = predict(one.model, splits.validation, recipe.preprocessing)
            one.accuracy = float(np.mean(predictions.logits.argmax(axis=1) == predictions.labels))
            if one.to_target is None and one.accuracy >= target:
                one.to_target, one.cpu_to_target = sum(one.seconds), sum(one.cpu_seconds)
            if one.to_target is not None and len(one.seconds) >= TIMED_EPOCHS:
                running.remove(one)
            print(
                f"epoch {len(one.seconds):3}  {one.name:22}  {one.seconds[-1]:7.2f} s  {one.cpu_seconds[-1]:7.2f} s of "
                f"processor time  validation {one.accuracy:.2%}",
                flush=True,
            )


def cpu_time() -> float:
    """Of this process with all its threads, and of its children: `ps` counts those of a loader while they run."""
    children = [psutil.Process(child.pid).cpu_times() for child in psutil.Process().children(recursive=True)]
    return time.process_time() + sum(times.user + times.system for times in children)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="fashion_cnn")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--dataset", help="another data set than the recipe's")
    parser.add_argument("--target", type=float, default=0.91, help="accuracy on the validation split")
    parser.add_argument("--epochs", type=int, help="of the schedule of ours and of (b); default: the recipe's")
    parser.add_argument("--workers", type=int, default=2, help="of (a)'s DataLoader")
    parser.add_argument("--most", type=int, default=TUTORIAL_EPOCHS, help="epochs of (a)")
    parser.add_argument("--limit", type=int, help="trial: so many training images")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    compare(parser.parse_args())


def compare(arguments: argparse.Namespace) -> None:
    recipe = find_recipe(arguments.recipe)
    flip_alone = Augmentation(flip=recipe.augmentation.flip)  # all three turn pictures, and none does more
    recipe = replace(recipe, epochs=arguments.epochs or recipe.epochs, augmentation=flip_alone)
    device = torch.device(arguments.device)
    steps = recipe.epochs * recipe.steps_per_epoch(55_000)
    precision = fastest_precision(fresh(recipe, device), steps=steps)
    splits = split(
        load(arguments.dataset or recipe.data.name, arguments.data, recipe.preprocessing), seed=0, limit=arguments.limit
    )
    contestants = [
        ours(recipe, splits.train, precision, device),
        plain(recipe, splits.train, device, arguments.workers, arguments.most),
        strong(recipe, splits.train, device),
    ]
    race(contestants, recipe, splits, arguments.target)
    for row in rows(contestants, len(splits.train), arguments.target, device, precision):
        print(json.dumps(row))


def rows(
    contestants: list[Contestant], images: int, target: float, device: torch.device, precision: Precision
) -> Iterator[dict[str, Any]]:
    """What each was found to be; the first is ours."""
    ours_rate = images / statistics.median(contestants[0].seconds)
    for one in contestants:
        rate = images / statistics.median(one.seconds)
        yield {
            "name": one.name,
            "images_per_second": round(rate),
            "ours_is_faster_by": round(ours_rate / rate, 2),
            "seconds_to_target": one.to_target and round(one.to_target, 1),
            "cpu_seconds_to_target": one.cpu_to_target and round(one.cpu_to_target, 1),
            "cpu_ms_per_image": round(1000 * statistics.median(one.cpu_seconds) / images, 4),
            "target": target,
            "last_accuracy": one.accuracy,
            "precision": {"recognition": precision.value, "(b) tensors + bf16": "bf16"}.get(one.name, "fp32"),
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        }


if __name__ == "__main__":
    main()
