"""Builds small model packages: a real ONNX graph, real encoded images, a manifest with true digests. No torch needed.

The model looks at the mean brightness of each third of the picture and names the brightest: left, middle or right.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from service.models.golden import GoldenSamples
from service.models.manifest import (
    GOLDEN_FILE,
    MANIFEST_FILE,
    Baseline,
    Calibration,
    ExplanationGraph,
    FileRecord,
    InputSpec,
    LabelMetrics,
    Manifest,
    Metrics,
    OutputSpec,
    PixelFormat,
    Precision,
    TrainingData,
    Variant,
    digest_of,
)

LABELS = ("left", "middle", "right")
HEIGHT, WIDTH = 8, 12
GAIN = 10.0
UNCALIBRATED = Calibration()


def encode(pixels: npt.NDArray[np.uint8], kind: str = "PNG") -> bytes:
    """Pixels as an image file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def picture(place: int, *, brightness: int = 240) -> npt.NDArray[np.uint8]:
    """A picture whose third number `place` is bright."""
    pixels = np.full((HEIGHT, WIDTH), 20, dtype=np.uint8)
    pixels[:, place * 4 : place * 4 + 4] = brightness
    return pixels


def expected_logits(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What the graph computes, written with NumPy."""
    thirds = pixels.astype(np.float32).reshape(HEIGHT, 3, 4).mean(axis=(0, 2)) / 255.0
    logits: npt.NDArray[np.float32] = (thirds * GAIN).astype(np.float32)
    return logits


def graph(*, multiplier: float = GAIN) -> bytes:
    """uint8 `[batch, 8, 12, 1]` → logits `[batch, 3]` and embedding `[batch, 3]`."""
    shape = numpy_helper.from_array(np.array([0, HEIGHT, 3, 4], dtype=np.int64), "shape")
    scale = numpy_helper.from_array(np.array(1 / 255.0, dtype=np.float32), "scale")
    gain = numpy_helper.from_array(np.array(multiplier, dtype=np.float32), "gain")
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "shape"], ["thirds"]),
        helper.make_node("ReduceMean", ["thirds"], ["embedding"], axes=[1, 3], keepdims=0),
        helper.make_node("Mul", ["embedding", "gain"], ["logits"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", HEIGHT, WIDTH, 1])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("logits", "embedding")]
    body = helper.make_graph(nodes, "thirds", inputs, outputs, initializer=[shape, scale, gain])
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def explanation_graph() -> bytes:
    """The same, with `class_activation` `[batch, 3, 8, 12]`: what each pixel adds to each logit."""
    mask = np.zeros((1, 3, HEIGHT, WIDTH), dtype=np.float32)
    for place in range(3):
        mask[:, place, :, place * 4 : place * 4 + 4] = GAIN / 255.0 / (HEIGHT * 4)
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["pixels"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["pixels", "mask"], ["class_activation"]),
        helper.make_node("ReduceSum", ["class_activation", "axes"], ["logits"], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", HEIGHT, WIDTH, 1])]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3]),
        helper.make_tensor_value_info("class_activation", TensorProto.FLOAT, ["batch", 3, HEIGHT, WIDTH]),
    ]
    constants = [
        numpy_helper.from_array(mask, "mask"),
        numpy_helper.from_array(np.array([2, 3], dtype=np.int64), "axes"),
    ]
    body = helper.make_graph(nodes, "thirds", inputs, outputs, initializer=constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def golden(*, shift: float = 0.0) -> GoldenSamples:
    """Eighteen samples; `shift` makes their logits wrong on purpose."""
    pictures = [picture(place, brightness=100 + 8 * step) for step in range(6) for place in range(3)]
    return GoldenSamples(
        images=tuple(encode(pixels) for pixels in pictures),
        logits=np.stack([expected_logits(pixels) + shift for pixels in pictures]).astype(np.float32),
        labels=np.array([place for _ in range(6) for place in range(3)], dtype=np.int64),
    )


def metrics() -> Metrics:
    per_label = tuple(LabelMetrics(label=label, precision=1.0, recall=1.0, f1=1.0, support=6) for label in LABELS)
    return Metrics(split="test", images=18, accuracy=1.0, macro_f1=1.0, ece=0.1, per_label=per_label)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRecipe:
    """What goes into a package; the defaults give a good one."""

    name: str = "thirds"
    version: int = 1
    graph: bytes = b""
    explanation: bytes = b""
    golden: GoldenSamples | None = None
    calibration: Calibration = UNCALIBRATED
    others: Mapping[Precision, bytes] = field(default_factory=dict)
    """Graphs of further variants; their logits may be off by one."""

    def manifest(self, files: dict[str, bytes]) -> Manifest:
        records = {
            name: FileRecord(sha256=digest_of(content), size_bytes=len(content)) for name, content in files.items()
        }
        return Manifest(
            name=self.name,
            version=self.version,
            family="thirds",
            labels=LABELS,
            input=InputSpec(pixel_format=PixelFormat.GRAY8, height=HEIGHT, width=WIDTH, mean=(0.0,), std=(1.0,)),
            outputs=OutputSpec(embedding="embedding", embedding_size=3),
            opset=17,
            parameters=0,
            macs=0,
            calibration=self.calibration,
            variants={
                Precision.FP32: Variant(
                    file="model.onnx", golden_tolerance=1e-3, metrics=metrics(), max_abs_difference=0.0
                ),
                **{
                    precision: Variant(
                        file=f"model.{precision}.onnx", golden_tolerance=1.0, metrics=metrics(), max_abs_difference=1.0
                    )
                    for precision in self.others
                },
            },
            explanation=ExplanationGraph(file="model.explain.onnx") if self.explanation else None,
            baseline=Baseline(images=18, label_shares=(1 / 3, 1 / 3, 1 / 3), confidence_shares=(0.5, 0.5)),
            data=TrainingData(name="drawn", sha256="0" * 64, splits={"test": 18}),
            files=records,
            licence="Apache-2.0",
            created=datetime(2026, 1, 1, tzinfo=UTC),
            tools={"onnx": onnx.__version__},
            source_run="0" * 64,
        )

    def write(self, root: Path) -> Path:
        """Publishes the package under `root`; returns its directory."""
        samples = golden() if self.golden is None else self.golden
        files = {"model.onnx": self.graph or graph(), GOLDEN_FILE: samples.to_bytes()}
        if self.explanation:
            files["model.explain.onnx"] = self.explanation
        files |= {f"model.{precision}.onnx": content for precision, content in self.others.items()}
        directory = root / self.name / str(self.version)
        directory.mkdir(parents=True)
        for name, content in files.items():
            (directory / name).write_bytes(content)
        (directory / MANIFEST_FILE).write_bytes(self.manifest(files).to_bytes())
        return directory
