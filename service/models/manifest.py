"""The manifest of a model package: everything that a server must know to serve what was trained.

A package is a directory `<name>/<version>/` with `model.onnx` (and variants of other precision), `golden.npz` and
this manifest as `manifest.json`. The digest of the package is the SHA-256 of the manifest's bytes, and the manifest
holds the SHA-256 of every other file, so the digest covers them all.
"""

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from service.models.variant import FILE_PATTERN, Frozen, LabelMetrics, Metrics, Precision, Share, Variant

__all__ = [
    "FILE_PATTERN",
    "GOLDEN_FILE",
    "MANIFEST_FILE",
    "NAME_PATTERN",
    "Baseline",
    "Calibration",
    "ExplanationGraph",
    "FileRecord",
    "InputSpec",
    "Interpolation",
    "LabelMetrics",
    "Manifest",
    "ManifestInvalid",
    "Metrics",
    "OutputSpec",
    "PixelFormat",
    "Polarity",
    "Precision",
    "Resize",
    "TrainingData",
    "Variant",
    "digest_of",
]

MANIFEST_FILE = "manifest.json"
GOLDEN_FILE = "golden.npz"

BF16_TOLERANCE = 400.0
"""Times the tolerance of float32, so 4 % of the largest golden logit: bfloat16 keeps eight bits of a number."""

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Pixels = Annotated[int, Field(ge=1, le=8192)]


class ManifestInvalid(Exception):
    """The manifest cannot be read; the text names the field and what is wrong with it."""


class PixelFormat(StrEnum):
    """What one pixel of the input tensor is; the channels come last."""

    GRAY8 = "gray8"
    RGB8 = "rgb8"


class Resize(StrEnum):
    """How a picture of any size becomes one of `resize_to`."""

    STRETCH = "stretch"
    """Both sides to the input's size; the aspect ratio is not kept."""
    SHORTER_SIDE = "shorter_side"
    """The shorter side to `resize_to`, the aspect ratio kept; then a crop from the centre."""


class Interpolation(StrEnum):
    """Filter of the resize, antialiased as Pillow does it."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


class Polarity(StrEnum):
    """What is bright: the foreground or the background."""

    AS_IS = "as_is"
    """The picture is taken as it comes."""
    BRIGHT_ON_DARK = "bright_on_dark"
    """The model knows bright things on a dark ground: a picture whose border is bright (lower quartile of the border
    pixels above 127) is inverted first."""


class InputSpec(Frozen):
    """How an encoded image becomes the model's input: uint8 `[batch, height, width, channels]`.

    `mean` and `std` (one for each channel, for pixels scaled to [0, 1]) are applied inside the graph and are stated
    here for people and for other runtimes.
    """

    tensor: str = "image"
    pixel_format: PixelFormat
    height: Pixels
    width: Pixels
    resize: Resize = Resize.STRETCH
    resize_to: Pixels | None = None
    interpolation: Interpolation = Interpolation.BILINEAR
    polarity: Polarity = Polarity.AS_IS
    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0.0)], ...]

    @property
    def channels(self) -> int:
        return 1 if self.pixel_format is PixelFormat.GRAY8 else 3

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError(f"mean and std need {self.channels} values, one for each channel")
        if (self.resize is Resize.SHORTER_SIDE) != (self.resize_to is not None):
            raise ValueError("resize_to goes with resize = shorter_side, and only with it")
        if self.resize_to is not None and self.resize_to < max(self.height, self.width):
            raise ValueError("resize_to must not be smaller than the crop (height, width)")
        return self


class OutputSpec(Frozen):
    """Names of the graph's outputs: logits float32 `[batch, labels]`, embedding float32 `[batch, embedding_size]`."""

    logits: str = "logits"
    embedding: str | None = None
    embedding_size: Annotated[int, Field(ge=0)] = 0


class Calibration(Frozen):
    """Makes probabilities honest: softmax(logits / temperature), fitted on the validation split."""

    temperature: Annotated[float, Field(gt=0.0)] = 1.0
    ece_before: Share | None = None
    ece_after: Share | None = None
    unknown_threshold: Share | None = None
    """Best probability below which an answer is marked unknown."""
    coverage: Share | None = None
    """Share of the validation split that stays above the threshold."""


class ExplanationGraph(Frozen):
    """A graph for heat maps, in a file of its own so that the fast path pays nothing: fp32, with one more output. Only
    where the head is linear on the last feature map: a label's map, added up, is its logit less the label's bias.
    """

    file: Annotated[str, Field(pattern=FILE_PATTERN)]
    output: str = "class_activation"
    """Float32 `[batch, labels, rows, columns]`, beside the logits."""


class TrainingData(Frozen):
    name: str
    sha256: Sha256
    splits: dict[str, Annotated[int, Field(ge=0)]]
    split_seed: int | None = None
    validation_share: Share | None = None
    """With the seed: which of the training images were kept for choices. None where nothing was trained here."""


class Baseline(Frozen):
    """How predictions and confidences were distributed on the validation split; live traffic is compared with it."""

    images: Annotated[int, Field(ge=1)]
    label_shares: tuple[Share, ...]
    confidence_shares: tuple[Share, ...]
    """Share of images whose best probability lies in each of the equal bins of [0, 1]."""


class FileRecord(Frozen):
    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0)]


class Manifest(Frozen):
    """One version of one model, described so that it can be served and checked without asking anyone."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    family: str
    task: Literal["image-classification"] = "image-classification"
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    input: InputSpec
    outputs: OutputSpec
    opset: Annotated[int, Field(ge=7)]
    parameters: Annotated[int, Field(ge=0)]
    macs: Annotated[int, Field(ge=0)]
    calibration: Calibration
    variants: dict[Precision, Variant]
    left_out: dict[Precision, str] = Field(default_factory=dict)
    max_accuracy_loss: float | None = None
    """Variants that were asked for and not published, with the reason; points of accuracy that one might lose."""
    explanation: ExplanationGraph | None = None
    baseline: Baseline
    golden_decode: Literal["exact", "scaled"] = "exact"
    """Which way of decoding the golden samples' logits belong to."""
    data: TrainingData
    files: dict[Annotated[str, Field(pattern=FILE_PATTERN)], FileRecord]
    licence: str
    created: datetime
    tools: dict[str, str]
    source_run: str
    """Digest of the training run's record."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be unique")
        if Precision.FP32 not in self.variants:
            raise ValueError("variants must hold fp32")
        if Precision.BF16 in self.variants:
            raise ValueError("variants must not hold bf16, which has no graph of its own")
        extra = [] if self.explanation is None else [self.explanation.file]
        for file in (*(variant.file for variant in self.variants.values()), *extra, GOLDEN_FILE):
            if file not in self.files:
                raise ValueError(f"files must list {file}")
        if len(self.baseline.label_shares) != len(self.labels):
            raise ValueError(f"baseline.label_shares needs {len(self.labels)} values, one for each label")
        return self

    def variant(self, precision: Precision) -> Variant:
        """The one that answers in this precision: for bfloat16 the float32 one, with a tolerance for its rounding."""
        if precision is not Precision.BF16:
            return self.variants[precision]
        fp32 = self.variants[Precision.FP32]
        return fp32.model_copy(update={"golden_tolerance": fp32.golden_tolerance * BF16_TOLERANCE})

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Reads a manifest. Raises ManifestInvalid with the first faulty field."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "manifest"
            raise ManifestInvalid(f"{where}: {first['msg']}") from error

    def to_bytes(self) -> bytes:
        """The file's content; equal manifests give equal bytes."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def digest_of(data: bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
