"""One graph of a package: its arithmetic, what it reaches, and how it compares with the float32 one."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FILE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Frozen(BaseModel):
    """What every part of a manifest is."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Precision(StrEnum):
    """Arithmetic of a variant."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    BF16 = "bf16"
    """No graph of its own: the provider computes the float32 one in bfloat16."""


class PrecisionChoice(StrEnum):
    """What the settings of a server may ask for."""

    AUTO = "auto"
    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    BF16 = "bf16"


class LabelMetrics(Frozen):
    label: str
    precision: Share
    recall: Share
    f1: Share
    support: Annotated[int, Field(ge=0)]


class Metrics(Frozen):
    """What a variant reached on one split, measured through the service's own decode and inference path."""

    split: str
    images: Annotated[int, Field(ge=1)]
    accuracy: Share
    macro_f1: Share
    ece: Share
    per_label: tuple[LabelMetrics, ...]
    confusion: tuple[tuple[Annotated[int, Field(ge=0)], ...], ...] = ()
    """Counts; rows are true labels, columns predicted ones, in the order of the labels. Empty: not recorded."""


class Comparison(Frozen):
    """How a variant did on the validation split, and how fast it was on the machine that exported it."""

    images: Annotated[int, Field(ge=1)]
    accuracy: Share
    agreement: Share
    """Share of the images on which it gives the answer of the fp32 variant."""
    images_per_second: Annotated[float, Field(gt=0.0)]
    """Of the graph alone, without decoding."""
    batch_size: Annotated[int, Field(ge=1)]
    threads: Annotated[int, Field(ge=1)]
    processor: str


class Quantisation(Frozen):
    """How the numbers of an int8 variant were chosen: QDQ, weights int8 for each channel, activations uint8."""

    method: Literal["entropy", "percentile"]
    """How the range of each activation follows from the calibration images."""
    calibration_images: Annotated[int, Field(ge=1)]
    """Of the training split."""
    float_layers: tuple[Literal["first", "last"], ...] = ()
    """Layers with weights that were left in float32."""
    agreements: dict[str, Share]
    """Every setting that was tried, with its agreement with fp32 on the validation split."""


class Variant(Frozen):
    """One graph of the package. `golden_tolerance` bounds |logit − expected logit| in the replay at load; the expected
    logits of each precision are in golden.npz.
    """

    file: Annotated[str, Field(pattern=FILE_PATTERN)]
    golden_tolerance: Annotated[float, Field(gt=0.0)]
    metrics: Metrics
    max_abs_difference: Annotated[float, Field(ge=0.0)]
    """Largest difference between this variant's logits and those of training, over the images of the export's check."""
    tolerance_reason: str = ""
    """Where the golden tolerance comes from."""
    skew: Annotated[float, Field(ge=-1.0, le=1.0)] | None = None
    """Accuracy in `metrics`, of encoded files on the service's way, less that on the raw pixels of the same images:
    training's own for fp32, this graph's for the others. None for a model from elsewhere, whose pixels nobody has."""
    comparison: Comparison | None = None
    quantisation: Quantisation | None = None
