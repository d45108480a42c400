"""A recipe: everything that decides how a model is trained, as one frozen value that is stored with the run."""

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from training.data.split import VALIDATION_SHARE
from training.errors import RecipeInvalid

Balance = Literal["none", "loss", "sampler"]
BALANCES: tuple[Balance, ...] = ("none", "loss", "sampler")


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
    balance: Balance = "none"
    """for classes of unequal size: rare ones count for more in the loss, or are drawn more often"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Random changes to each training picture, drawn anew in every epoch."""

    flip: bool = False
    """mirror left and right, half of the time"""
    shift: int = 0
    """move by up to so many pixels along each axis; zeros come in at the edge"""
    cutout: int = 0
    """a square with so many pixels a side is blackened, wherever its centre falls (DeVries and Taylor 2017)"""
    random_erasing: float = 0.0
    """probability that a rectangle of 2 to 33 % of the picture is filled with noise (Zhong et al. 2017)"""
    mixup: float = 0.0
    """alpha of the Beta distribution that blends two pictures and their labels (Zhang et al. 2017); 0 is off"""
    cutmix: float = 0.0
    """the same for a rectangle of one picture in another (Yun et al. 2019); with both, a coin decides for each batch"""

    def __post_init__(self) -> None:
        if min(self.shift, self.cutout, self.mixup, self.cutmix) < 0 or not 0 <= self.random_erasing <= 1:
            raise RecipeInvalid("augmentation: no value may be below 0, and random_erasing is a probability")


class Optimizer(StrEnum):
    SGD = "sgd"
    """with Nesterov momentum"""
    ADAMW = "adamw"
    MUON = "muon"
    """orthogonalised momentum for the weights of hidden layers, Nesterov SGD for the rest"""


class Schedule(StrEnum):
    """How the learning rate goes after the warm-up, in which it rises linearly."""

    ONE_CYCLE = "one_cycle"
    """half a cosine from the end of the warm-up down to zero"""
    COSINE = "cosine"
    """half a cosine over the whole run, warm-up included"""
    STEP = "step"
    """a tenth after half of the run and again after three quarters"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimization:
    """The optimiser and its schedule."""

    optimizer: Optimizer = Optimizer.SGD
    learning_rate: float
    """the highest of the schedule"""
    schedule: Schedule = Schedule.ONE_CYCLE
    warmup_share: float = 0.2
    """part of all steps on which the learning rate rises"""
    momentum: float = 0.9
    weight_decay: float = 0.0
    """not applied to biases and batch normalisation"""
    label_smoothing: float = 0.0
    ema_decay: float | None = None
    """the weights that are kept are an exponential moving average with this decay per step"""
    clip_norm: float | None = None
    """gradients longer than this, all parameters together, are shortened to it"""

    def __post_init__(self) -> None:
        if not 0 <= self.warmup_share < 1:
            raise RecipeInvalid(f"optimization.warmup_share must be in [0, 1), not {self.warmup_share}")
        if self.learning_rate <= 0:
            raise RecipeInvalid(f"optimization.learning_rate must be above 0, not {self.learning_rate}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Weights to begin with, and how far they may move: first the new head alone, then stage after stage below it."""

    source: str
    """model and name of the weights in torchvision, or the file or run that they come from"""
    sha256: str
    """of the weights, so that another run is not taken for this one"""
    convention: Literal["torchvision", "caffe-v1", "half"] = "torchvision"
    head_epochs: int = 60
    """passes of the head over the features of the frozen backbone, which are computed once"""
    head_learning_rate: float = 0.003
    unfreeze_epochs: int = 3
    """after the head, so many epochs pass until the stages are free down to the first one"""
    backbone_factor: float = 0.1
    """the first stage learns at this part of the head's learning rate; stages between in even ratios"""


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
    patience: int | None = None
    """stop after so many epochs without a better validation accuracy, and keep the best weights"""
    compile: bool = False
    """torch.compile: worth its minutes on a GPU and for long runs"""
    transfer: Transfer | None = None

    def __post_init__(self) -> None:
        least_epochs = 1 if self.transfer is None else 0  # the head alone needs none
        if self.epochs < least_epochs:
            raise RecipeInvalid(f"epochs must be at least {least_epochs}, not {self.epochs}")
        for name, value in (("batch_size", self.batch_size), ("patience", self.patience)):
            if value is not None and value < 1:
                raise RecipeInvalid(f"{name} must be at least 1, not {value}")

    def batch_end(self, position: int, images: int) -> int:
        """Where the batch ends that begins at `position`. The last one may be short, but it is never a single picture:
        that goes with the batch before, since batch normalisation has nothing to compare a lone value with.
        """
        end = min(position + self.batch_size, images)
        return images if end == images - 1 else end

    def steps_per_epoch(self, images: int) -> int:
        return max(math.ceil((images - 1) / self.batch_size), 1)

    def for_classes(self, count: int) -> "Recipe":
        """The recipe with a model of so many classes."""
        arguments = self.model.arguments
        if arguments.get("classes") in (None, count):
            return self
        return replace(self, model=replace(self.model, arguments={**arguments, "classes": count}))
