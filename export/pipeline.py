"""The way of one run into the repository: run → graph → files → verify → calibrate → measure → publish."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from export.assemble import assemble, input_spec, tools
from export.destination import Destination
from export.examination import Examination
from export.graph import OPSET, build_graph
from export.progress import ExportProgress
from export.publish import Sign, check_name
from export.served import Pictures, serve_splits
from export.variants import MAX_ACCURACY_LOSS
from export.verify import prove
from service.models.manifest import Precision
from service.models.repository import Package
from training.checkpoint import Run
from training.data import LISTINGS, Splits, load, split

STEPS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The package in the repository; `published` is False when it was there already."""

    package: Package
    published: bool


def export_run(
    run: Run,
    *,
    repository: Destination,
    name: str,
    data_directory: Path | None,
    again: bool,
    progress: ExportProgress,
    precisions: Sequence[Precision] = (Precision.FP32,),
    max_accuracy_loss: float = MAX_ACCURACY_LOSS,
    sign: Sign | None = None,
) -> Outcome:
    """Publishes the run as the next version of `name`, unless the newest one came from the same run and tools.

    fp32 is always part of it. A variant that loses more than `max_accuracy_loss` points is left out.

    Raises ExportError, or TrainingError where run or data cannot be read.
    """
    check_name(name)
    present = repository.newest(name)
    if not again and present is not None and is_same(present, run, precisions, max_accuracy_loss):
        return Outcome(package=present, published=False)
    splits = run.load_splits(data_directory)
    graph = _build(run, progress)
    pictures = _serve(run, splits, _published(run, splits, data_directory), progress)
    examination = Examination(run=run, graph=graph, pictures=pictures, progress=progress)
    evidence = examination.with_variants(
        examination.float32(),
        [precision for precision in Precision if precision in precisions and precision is not Precision.FP32],
        max_accuracy_loss=max_accuracy_loss,
    )
    with progress.step("publish") as report:
        draft = assemble(run, graph, evidence, name=name, max_accuracy_loss=max_accuracy_loss)
        package = repository.publish(draft, prove=prove, sign=sign)
        report.text = f"version {package.manifest.version}, {len(evidence.golden.images)} golden samples replayed"
    return Outcome(package=package, published=True)


def is_same(package: Package, run: Run, precisions: Sequence[Precision], max_accuracy_loss: float) -> bool:
    """Whether an export would give the same files again, as far as that can be told without doing it."""
    manifest = package.manifest
    if {Precision.FP32, *precisions} != {*manifest.variants, *manifest.left_out}:
        return False
    of_before = any(variant.skew is None for variant in manifest.variants.values())
    otherwise = len(precisions) > 1 and manifest.max_accuracy_loss != max_accuracy_loss
    if of_before or otherwise:
        return False
    return (manifest.source_run, manifest.opset, manifest.tools) == (run.digest, OPSET, tools())


def _build(run: Run, progress: ExportProgress) -> onnx.ModelProto:
    with progress.step("graph") as report:
        graph = build_graph(run.build_model(), run)
        report.text = f"opset {OPSET}, {len(graph.graph.node)} nodes, {graph.ByteSize():,} bytes"
    return graph


def _published(run: Run, splits: Splits, directory: Path | None) -> Splits:
    """The same images in the size that the data set has; files have each their own."""
    data = run.record.data
    if data.name in LISTINGS:
        return splits
    return split(
        load(data.name, directory), seed=data.split_seed, validation_share=data.validation_share, limit=data.limit
    )


def _serve(run: Run, splits: Splits, published: Splits, progress: ExportProgress) -> Pictures:
    with progress.step("files") as report:
        pictures = serve_splits(splits, published, input_spec(run.record.preprocessing))
        report.text = str(pictures)
    return pictures
