"""The int8 form of a graph: static QDQ, weights int8 for each channel, activations uint8, ranges from training images.

How ranges are chosen (entropy, percentile) and whether the first and the last layer stay in float32 is decided by how
often the answers on the validation split stay those of the float32 graph.
"""

import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from export.errors import WorkspaceUnusable
from export.graph import INPUT, OUTPUTS, to_bytes
from export.verify import Logits, Pixels, load_session, logits_of
from service.models.manifest import OutputSpec
from service.models.variant import Quantisation

Method = Literal["entropy", "percentile"]
Layer = Literal["first", "last"]

METHODS: dict[Method, CalibrationMethod] = {
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
FLOAT_LAYERS: tuple[tuple[Layer, ...], ...] = ((), ("first",), ("last",), ("first", "last"))
WORTH = 0.001
"""A layer stays in float32 only where this share more of the answers is kept by it."""
OPTIONS = {
    "CalibStridedMinMax": 1,
    # Signed ranges: activations are uint8 with a zero point, and the absolute ones are found by sorting everything.
    "CalibTensorRangeSymmetric": False,
    # Logits stay float: a range chosen for most pictures would cut off those that the network is surest of.
    "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
}
CALIBRATION_IMAGES = 512
CALIBRATION_VALUES = 2**23
"""No more than so many numbers go in, which is 55 pictures of 224 x 224: their maps take the time and the memory."""
BATCH_SIZE = 16
BATCH_VALUES = 2**20
"""The calibrator keeps all activations of a batch: at most so many images, and so many numbers going in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantised:
    """The graph that was chosen, and what speaks for it."""

    graph: onnx.ModelProto
    facts: Quantisation


class _Reader(CalibrationDataReader):  # type: ignore[misc] # the library has no types
    """Hands the images out in batches; `set_range` and the length let the library take them piece by piece."""

    def __init__(self, images: Pixels) -> None:
        size = max(1, min(BATCH_SIZE, BATCH_VALUES // images[0].size))
        self._batches = np.split(images, range(size, len(images), size))
        self._left = iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._left = iter(self._batches[start_index:end_index])

    def get_next(self) -> dict[str, Pixels] | None:
        batch = next(self._left, None)
        return None if batch is None else {INPUT: batch}


def calibration_images(training: Pixels) -> Pixels:
    """Evenly spread over the training split."""
    count = max(1, min(CALIBRATION_IMAGES, CALIBRATION_VALUES // training[0].size, len(training)))
    return training[np.linspace(0, len(training) - 1, count).round().astype(np.int64)]


def quantize(
    graph: onnx.ModelProto,
    *,
    calibration: Pixels,
    validation: Pixels,
    reference: Logits,
    outputs: OutputSpec = OUTPUTS,
) -> Quantised:
    """The setting that agrees best with `reference`, the float32 logits of the validation images (N, labels).

    Raises WorkspaceUnusable.
    """
    tried: dict[tuple[Method, tuple[Layer, ...]], tuple[float, onnx.ModelProto]] = {}
    with _workspace() as folder, _quiet():
        original, prepared = Path(folder) / "original.onnx", Path(folder) / "prepared.onnx"
        content = to_bytes(_named(graph))  # in a file: of a graph in memory the library would move the weights out
        original.write_bytes(content)
        quant_pre_process(str(original), str(prepared), skip_symbolic_shape=True)

        def attempt(method: Method, layers: tuple[Layer, ...]) -> None:
            candidate = _quantized(prepared, method, layers, calibration)
            answers = logits_of(load_session(to_bytes(candidate), outputs), validation).argmax(axis=1)
            tried[method, layers] = float(np.mean(answers == reference.argmax(axis=1))), candidate

        for method in METHODS:
            attempt(method, ())
        best = max(METHODS, key=lambda method: tried[method, ()][0])
        for layers in FLOAT_LAYERS[1:]:
            attempt(best, layers)
    layers = max(FLOAT_LAYERS, key=lambda layers: tried[best, layers][0] - WORTH * len(layers))
    chosen = tried[best, layers][1]
    chosen.graph.name = graph.graph.name
    onnx.helper.set_model_props(chosen, {entry.key: entry.value for entry in graph.metadata_props})
    return Quantised(
        graph=chosen,
        facts=Quantisation(
            method=best,
            calibration_images=len(calibration),
            float_layers=layers,
            agreements={"+".join((method, *layers)): share for (method, layers), (share, _) in tried.items()},
        ),
    )


def _named(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The layers to leave out are told by name, which other people's nodes need not have."""
    named = onnx.ModelProto()
    named.CopyFrom(graph)
    for number, node in enumerate(named.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    return named


def _quantized(prepared: Path, method: Method, layers: tuple[Layer, ...], images: Pixels) -> onnx.ModelProto:
    weighted = [node.name for node in onnx.load(prepared).graph.node if node.op_type in {"Conv", "Gemm", "MatMul"}]
    ends: dict[Layer, str] = {"first": weighted[0], "last": weighted[-1]}
    target = prepared.with_name("quantized.onnx")
    quantize_static(
        str(prepared),
        str(target),
        _Reader(images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[ends[layer] for layer in layers],
        calibrate_method=METHODS[method],
        calibration_cache_path=prepared.with_name(f"{method}.json"),
        extra_options=OPTIONS,
    )
    quantized = onnx.load(target)
    used = {node.domain for node in quantized.graph.node}
    declared = [opset for opset in quantized.opset_import if opset.domain in used]
    del quantized.opset_import[:]
    quantized.opset_import.extend(declared)
    onnx.checker.check_model(quantized, full_check=True)
    return quantized


@contextmanager
def _workspace() -> Iterator[str]:
    """The library works on files. Raises WorkspaceUnusable where there is no room for them."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield folder
    except (OSError, DecodeError) as error:  # the second: the library wrote a part of a file and did not notice
        reason = "a file came back cut short" if isinstance(error, DecodeError) else error.strerror
        raise WorkspaceUnusable(
            f"int8 is made in files below {tempfile.gettempdir()}, which cannot be used: {reason}. "
            "Nothing was published; make room there, or name another directory with TMPDIR"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """The library prints and logs what its caller cannot act on."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
