"""One run from recipe to finished checkpoint: data → model → epochs → predictions → run directory."""

import json
import platform
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from training import __version__, checkpoint
from training.checkpoint import Run
from training.config import Recipe
from training.course import Course, Progress, Unseen
from training.data import Dataset, Splits, load, split
from training.describe import describe
from training.device import Precision, fastest_precision
from training.distributed import Group
from training.errors import RecipeInvalid, RunConflict
from training.evaluate import predict
from training.finetune import take_over, train_head
from training.lock import held
from training.loop import Trainer
from training.models import Classifier, build
from training.record import DataRecord, Hardware, Licence, RunRecord
from training.report import CARD_FILE, REPORT_FILE, write_report
from training.resume import FILE as RESUME_FILE
from training.resume import ResumeFile, run_key
from training.typed_json import encode
from training.weights import Weights

WEIGHTS_LICENCE = "Apache-2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The finished run; `trained` is False when it was there already."""

    run: Run
    trained: bool


def fit(
    recipe: Recipe, *, seed: int, output: Path, data_directory: Path | None, device: torch.device, progress: Progress,
    force: bool = False, weights: Weights | None = None, group: Group | None = None, save_every_seconds: float = 60.0,
    precision: Precision | None = None, events: bool = False, graph: bool = True,
) -> Outcome:  # fmt: skip
    """Trains unless `output` holds this very run, finished; goes on with it where it was interrupted.

    `weights` are those that the recipe's transfer names; a `precision` of None is the fastest; `graph` lets a GPU take
    whole steps at once. Raises RunConflict if `output` holds another run, or another process is training there.
    """
    group = group or Group()
    dataset = load(recipe.data.name, data_directory, recipe.preprocessing)
    recipe = recipe.for_classes(len(dataset.labels))
    with held(output, wanted=group.is_first):
        before = None if force else _same_run(output, recipe, seed, dataset)
        if before is not None and before.status == "finished":
            return Outcome(run=_complete(Run.load(output), dataset, group), trained=False)
        splits = _split(dataset, recipe)
        group.check_batch(recipe.batch_size)
        model = _model(recipe, dataset, seed, weights).to(device)
        asked = precision
        precision = precision or _precision(model, recipe, splits, before, group)
        record = _describe_run(recipe, seed, dataset, splits, model, precision)
        resume = ResumeFile(output, key=_key(record), every_seconds=save_every_seconds)
        going_on = not force and resume.exists
        progress = progress if group.is_first else Unseen()
        _begin(output, record, splits, dataset, progress, group, going_on=going_on)
        if not going_on:
            _note_lost_work(before, asked, progress)
        course = Course(record, splits, output, progress, resume, group, events=events)
        if weights is not None and recipe.transfer is not None and not going_on:
            known = train_head(model, splits.train, recipe, recipe.transfer, seed=seed)
            group.share_weights(model)  # a GPU may round the features a little differently in each process
            progress.note(f"the new head knows {known:.1%} of the training images ({course.seconds:.0f} s)")
        group.synchronise(model)
        trainer = Trainer(
            model, splits.train, recipe, seed=seed, precision=precision, group=group, on_note=progress.note,
            classes=len(dataset.labels), graph=graph,
        )  # fmt: skip
        record = course.run(trainer)
        if group.is_first:
            write_report(_finish(trainer.model, record, splits, output), splits.test)
            resume.remove()
        group.wait()
        return Outcome(run=Run.load(output), trained=True)


def _split(dataset: Dataset, recipe: Recipe) -> Splits:
    data = recipe.data
    return split(dataset, seed=data.split_seed, validation_share=data.validation_share, limit=data.limit)


def _complete(run: Run, dataset: Dataset, group: Group) -> Run:
    """Writes the report of a finished run that was killed before it had one."""
    if group.is_first and not all((run.directory / file).is_file() for file in (REPORT_FILE, CARD_FILE)):
        write_report(run, _split(dataset, run.record.recipe).test)
        (run.directory / RESUME_FILE).unlink(missing_ok=True)
    return run


def build_model(recipe: Recipe, dataset: Dataset, seed: int) -> Classifier:
    """The recipe's model as it begins. Raises RecipeInvalid where it cannot take the data set's pictures."""
    torch.manual_seed(seed)
    model = build(recipe.model.name, recipe.model.arguments)
    _check_shapes(recipe, dataset, model)
    return model


def _model(recipe: Recipe, dataset: Dataset, seed: int, weights: Weights | None) -> Classifier:
    """With the weights, though a run that goes on has its own: if they do not fit, nothing is written yet."""
    model = build_model(recipe, dataset, seed)
    if weights is not None:
        take_over(model, weights)
    return model


def _precision(model: Classifier, recipe: Recipe, splits: Splits, before: RunRecord | None, group: Group) -> Precision:
    """That of the run that is gone on with, or the fastest; processes that train together must agree without asking."""
    if before is not None:
        return Precision(before.hardware.precision)
    steps = recipe.epochs * recipe.steps_per_epoch(len(splits.train)) if group.size == 1 else 0
    return fastest_precision(model, steps=steps)


def _begin(
    output: Path, record: RunRecord, splits: Splits, dataset: Dataset, progress: Progress, group: Group, *,
    going_on: bool,
) -> None:  # fmt: skip
    for note in dataset.notes:
        progress.note(note)
    if group.is_first and not going_on:
        checkpoint.begin(output, record)
    group.wait()
    progress.begin(record.recipe, splits, record.hardware)


def _note_lost_work(before: RunRecord | None, asked: Precision | None, progress: Progress) -> None:
    """Of a run that was interrupted and cannot be gone on with, since another arithmetic is asked for."""
    if before is not None and asked is not None and asked.value != before.hardware.precision:
        progress.note(
            f"begins anew: what was interrupted here was computed in {before.hardware.precision}, not {asked}"
        )


def _key(record: RunRecord) -> str:
    recipe = json.dumps(encode(record.recipe), sort_keys=True)
    device = () if record.hardware.device == "cpu" else (record.hardware.device,)  # random numbers differ between them
    return run_key(recipe, str(record.seed), record.data.sha256, record.hardware.precision, *device)


def _same_run(output: Path, recipe: Recipe, seed: int, dataset: Dataset) -> RunRecord | None:
    """The record of this very run, in whatever state. Raises RunConflict for that of another one."""
    record = checkpoint.read_record(output)
    if record is None:
        return None
    found = {"recipe": encode(record.recipe), "seed": record.seed, "data": record.data.sha256}
    wanted = {"recipe": encode(recipe), "seed": seed, "data": dataset.sha256}
    if found != wanted:
        raise RunConflict(
            f"{output} holds another run: {'; '.join(_differences(found, wanted))}. "
            "Choose another --output, or pass --force to replace it"
        )
    return record


def _differences(found: dict[str, Any], wanted: dict[str, Any], path: str = "") -> list[str]:
    lines = []
    for key in sorted(found.keys() | wanted.keys()):
        old, new = found.get(key), wanted.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += _differences(old, new, f"{path}{key}.")
        elif old != new:
            lines.append(f"{path}{key} is {old}, not {new}")
    return lines


def _check_shapes(recipe: Recipe, dataset: Dataset, model: Classifier) -> None:
    height, width, channels = dataset.train.pixels.shape[1:]
    wanted = recipe.preprocessing
    if (channels, height, width) != model.input_shape or (height, width) != (wanted.height, wanted.width):
        raise RecipeInvalid(
            f"recipe {recipe.name}: the pictures of {dataset.name} are {channels} x {height} x {width}, "
            f"{recipe.model.name} takes {' x '.join(str(size) for size in model.input_shape)} "
            f"and the preprocessing gives {wanted.height} x {wanted.width}"
        )


def _describe_run(
    recipe: Recipe, seed: int, dataset: Dataset, splits: Splits, model: Classifier, precision: Precision
) -> RunRecord:
    description = describe(recipe.model.name, model)
    device = next(model.parameters()).device
    return RunRecord(
        status="running",
        name=recipe.name,
        family=recipe.model.name,
        model=recipe.model,
        recipe=recipe,
        seed=seed,
        labels=dataset.labels,
        preprocessing=recipe.preprocessing,
        data=DataRecord(
            name=dataset.name,
            sha256=dataset.sha256,
            splits=splits.sizes,
            split_seed=recipe.data.split_seed,
            validation_share=recipe.data.validation_share,
            limit=recipe.data.limit,
        ),
        parameters=description.parameters,
        macs=description.macs,
        metrics={},
        epochs=0,
        train_seconds=0.0,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        hardware=Hardware(
            device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            threads=torch.get_num_threads(),
            precision=precision.value,
        ),
        versions={
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", "torchvision")},
            "training": __version__,
        },
        licence=Licence(data=dataset.licence, weights=WEIGHTS_LICENCE),
        files={},
    )


def _finish(model: Classifier, record: RunRecord, splits: Splits, output: Path) -> Run:
    """Predicts validation and test, this once, and writes what came out."""
    predicted = {
        name: predict(model, images, record.preprocessing)
        for name, images in (("validation", splits.validation), ("test", splits.test))
    }
    metrics = {name: p.metrics(names=record.labels, split=name) for name, p in predicted.items()}
    arrays = {f"{name}_logits": p.logits for name, p in predicted.items()}
    arrays_of_labels = {f"{name}_labels": p.labels for name, p in predicted.items()}
    return checkpoint.finish(output, replace(record, metrics=metrics), model, {**arrays, **arrays_of_labels})
