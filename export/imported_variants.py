"""The other precisions of a model from elsewhere, each built and compared, or left out with the reason."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx
from onnx import version_converter

from export.errors import WorkspaceUnusable
from export.graph import to_bytes
from export.quantize import quantize
from export.source import Source
from export.variants import BuiltVariant, compare, examine, reason_against
from export.verify import Logits, Pixels, load_session
from service.models.manifest import Precision
from training.data import Images

LEAST_OPSET = 13
"""From which on the numbers of int8 weights can differ from channel to channel."""
LEAST_AGREEMENT = 0.97


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A precision that is not published, and why."""

    precision: Precision
    reason: str


def build_imported(
    source: Source,
    images: Images,
    reference: Logits,
    precisions: Sequence[Precision],
    calibration: Pixels,
    *,
    max_accuracy_loss: float | None,
) -> Iterator[BuiltVariant | Left]:
    """In the order that is asked for; `reference` holds the float32 logits of the images.

    Without true labels (a loss of None) there is no accuracy to lose; then the answers must stay what they were.
    """
    fp32 = compare(load_session(to_bytes(source.graph), source.outputs), images, reference, reference)
    for precision in precisions:
        if precision is Precision.FP16:
            built = _half(source, images, reference)
        else:
            built = _int8(source, images, reference, calibration)
        if isinstance(built, str):
            yield Left(precision=precision, reason=built)
            continue
        if max_accuracy_loss is None:
            reason = _reason_to_doubt(built)
        else:
            reason = reason_against(built, fp32, max_accuracy_loss=max_accuracy_loss)
        yield built if reason is None else Left(precision=precision, reason=reason)


def _reason_to_doubt(built: BuiltVariant) -> str | None:
    agreement, images = built.comparison.agreement, built.comparison.images
    if agreement >= LEAST_AGREEMENT:
        return None
    return (
        f"it gives fp32's answer on {agreement:.2%} of the {images} given images; where no true labels are given, "
        f"{LEAST_AGREEMENT:.0%} are needed"
    )


def _half(source: Source, images: Images, reference: Logits) -> BuiltVariant | str:
    if source.half is None:
        return "half precision is made from weights (--architecture), not from a graph"
    return examine(Precision.FP16, source.half(), images, reference, outputs=source.outputs)


def _int8(source: Source, images: Images, reference: Logits, calibration: Pixels) -> BuiltVariant | str:
    if source.one_by_one:
        return "the graph takes one picture at a time; export it anew with an open batch"
    try:
        graph = _modern(source.graph)
        quantised = quantize(
            graph, calibration=calibration, validation=images.pixels, reference=reference, outputs=source.outputs
        )
    except WorkspaceUnusable:
        raise
    except Exception as error:  # noqa: BLE001 - the converter and the quantiser know many graphs, not all
        return f"the graph cannot be quantised: {(str(error).strip() or type(error).__name__).splitlines()[0]}"
    return examine(
        Precision.INT8, quantised.graph, images, reference, outputs=source.outputs, quantisation=quantised.facts
    )


def _modern(graph: onnx.ModelProto) -> onnx.ModelProto:
    opset = max(entry.version for entry in graph.opset_import if entry.domain in {"", "ai.onnx"})
    if opset >= LEAST_OPSET:
        return graph
    return version_converter.convert_version(graph, LEAST_OPSET)
