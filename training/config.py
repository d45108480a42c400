"""A recipe: everything that decides how a model is trained, as one frozen value that is stored with the run."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from training.data.split import VALIDATION_SHARE
from training.errors import RecipeInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How a picture becomes the model's input; it travels with the weights into the exported package."""

    pixel_format: Literal["gray8", "rgb8"]
    height: int
    width: int
    resize: Literal["stretch", "shorter_side"] = "stretch"
    """both sides to the input's size, or the shorter one to `resize_to` and then a crop from the centre"""
    resize_to: int | None = None
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    polarity: Literal["as_is", "bright_on_dark"] = "as_is"
    """bright_on_dark: a picture whose border is bright (lower quartile above 127) is inverted first"""
    mean: tuple[float, ...]
    """one for each channel, of pixels scaled to [0, 1]"""
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        channels = 1 if self.pixel_format == "gray8" else 3
        if len(self.mean) != channels or len(self.std) != channels or min(self.std) <= 0:
            raise RecipeInvalid(
                f"preprocessing: mean and std need {channels} values, one for each channel, std above 0"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A name of training.models.MODELS and the arguments that build it."""

    name: str
    arguments: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """A name of training.data.DATASETS and how its training images are divided."""

    name: str
    validation_share: float = VALIDATION_SHARE
    """part of the training images that is kept for choices"""
    split_seed: int = 0
    limit: int | None = None
    """train on so many images only: a trial, not a result"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Random changes to each training picture, drawn anew in every epoch."""

    flip: bool = False
    """mirror left and right, half of the time"""
    shift: int = 0
    """move by up to so many pixels along each axis; zeros come in at the edge"""


class Optimizer(StrEnum):
    SGD = "sgd"
    """with Nesterov momentum"""
    ADAMW = "adamw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimization:
    """The optimiser and its one-cycle schedule: the learning rate rises linearly, then falls along a cosine to zero."""

    optimizer: Optimizer = Optimizer.SGD
    learning_rate: float
    """at the top of the cycle"""
    warmup_share: float = 0.2
    """part of all steps on which the learning rate rises"""
    momentum: float = 0.9
    weight_decay: float = 0.0
    """not applied to biases and batch normalisation"""
    label_smoothing: float = 0.0
    ema_decay: float | None = None
    """the weights that are kept are an exponential moving average with this decay per step"""

    def __post_init__(self) -> None:
        if not 0 <= self.warmup_share < 1:
            raise RecipeInvalid(f"optimization.warmup_share must be in [0, 1), not {self.warmup_share}")
        if self.learning_rate <= 0:
            raise RecipeInvalid(f"optimization.learning_rate must be above 0, not {self.learning_rate}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole training run but for its seed."""

    name: str
    model: ModelConfig
    data: DataConfig
    preprocessing: Preprocessing
    augmentation: Augmentation
    optimization: Optimization
    epochs: int
    batch_size: int

    def __post_init__(self) -> None:
        for name, value in (("epochs", self.epochs), ("batch_size", self.batch_size)):
            if value < 1:
                raise RecipeInvalid(f"{name} must be at least 1, not {value}")

    def steps_per_epoch(self, images: int) -> int:
        """The last batch may be a short one."""
        return math.ceil(images / self.batch_size)
