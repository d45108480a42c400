"""The forms of a graph in other arithmetic: built, compared with the float32 one, and taken in or left out.

A variant that loses more accuracy on the validation split than is allowed is left out, with the reason.
"""

import platform
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from export.graph import OUTPUTS, HalfModel, build_graph, to_bytes
from export.quantize import calibration_images, quantize
from export.served import Pictures
from export.verify import Logits, Pixels, load_session, logits_of
from service.engine.session import Session, available_cores
from service.models.manifest import OutputSpec
from service.models.variant import Comparison, Precision, Quantisation
from training.checkpoint import Run
from training.data import Images

FILES = {Precision.FP32: "model.onnx", Precision.FP16: "model.fp16.onnx", Precision.INT8: "model.int8.onnx"}
MAX_ACCURACY_LOSS = 0.5
"""In points of accuracy on the validation split."""
SPEED_BATCH_SIZE = 32
SPEED_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltVariant:
    """A graph in one arithmetic beside float32, with its session."""

    precision: Precision
    graph: onnx.ModelProto
    session: Session
    comparison: Comparison
    logits: Logits
    """Of the images that it was compared on."""
    max_abs_difference: float
    quantisation: Quantisation | None


def build_variant(
    precision: Precision, run: Run, graph: onnx.ModelProto, pictures: Pictures, reference: Logits
) -> BuiltVariant:
    """`reference` holds the float32 logits of the validation split as the service gets it."""
    validation = pictures.validation.images
    if precision is Precision.FP16:
        return examine(precision, build_graph(run.build_model(), run, served_as=HalfModel), validation, reference)
    calibration = calibration_images(pictures.training.pixels)
    quantised = quantize(graph, calibration=calibration, validation=validation.pixels, reference=reference)
    return examine(precision, quantised.graph, validation, reference, quantisation=quantised.facts)


def examine(
    precision: Precision,
    graph: onnx.ModelProto,
    images: Images,
    reference: Logits,
    *,
    outputs: OutputSpec = OUTPUTS,
    quantisation: Quantisation | None = None,
) -> BuiltVariant:
    """A graph beside the float32 one, whose logits for the images are `reference`."""
    session = load_session(to_bytes(graph), outputs)
    logits = logits_of(session, images.pixels)
    return BuiltVariant(
        precision=precision,
        graph=graph,
        session=session,
        comparison=compare(session, images, logits, reference),
        logits=logits,
        max_abs_difference=float(np.abs(logits - reference).max()),
        quantisation=quantisation,
    )


def compare(session: Session, images: Images, logits: Logits, reference: Logits) -> Comparison:
    """Of the logits that the session gives for the images, beside those of the float32 graph."""
    answers = logits.argmax(axis=1)
    return Comparison(
        images=len(images),
        accuracy=float(np.mean(answers == images.labels)),
        agreement=float(np.mean(answers == reference.argmax(axis=1))),
        images_per_second=speed_of(session, images.pixels),
        batch_size=min(SPEED_BATCH_SIZE, len(images)),
        threads=available_cores(),
        processor=processor(),
    )


def reason_against(built: BuiltVariant, fp32: Comparison, *, max_accuracy_loss: float) -> str | None:
    """Why the variant must not be published; None where it may. The loss is in points."""
    if not np.isfinite(built.max_abs_difference):
        return "some of its logits are not finite: the numbers of the network leave the range of this arithmetic"
    variant = built.comparison
    loss = round((fp32.accuracy - variant.accuracy) * 100, 6)  # so that exactly what is allowed is allowed
    if loss <= max_accuracy_loss:
        return None
    return (
        f"it loses {loss:.2f} points of accuracy ({fp32.accuracy:.2%} to {variant.accuracy:.2%} on the "
        f"{variant.images:,} validation images), at most {max_accuracy_loss:g} are allowed (--max-accuracy-loss)"
    )


def speed_of(session: Session, images: Pixels) -> float:
    """Images a second through the graph, in batches; the best of several runs, since others may be at work here."""
    batch = images[:SPEED_BATCH_SIZE]
    session.run(batch)
    began, best = time.perf_counter(), float("inf")
    while time.perf_counter() - began < SPEED_SECONDS:
        start = time.perf_counter()
        session.run(batch)
        best = min(best, time.perf_counter() - start)
    return len(batch) / best


def processor() -> str:
    """The name of the CPU as its system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def summary(built: BuiltVariant, fp32: Comparison) -> str:
    """One line for people."""
    comparison = built.comparison
    return (
        f"accuracy {comparison.accuracy:.2%} on validation (fp32 {fp32.accuracy:.2%}), the same answer on "
        f"{comparison.agreement:.2%}, {built.graph.ByteSize():,} bytes, {comparison.images_per_second:,.0f} images/s "
        f"(fp32 {fp32.images_per_second:,.0f})"
    )
