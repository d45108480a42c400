"""What somebody wants to have imported, as they said it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.errors import ImportMisused
from export.onnx_source import read_onnx
from export.pretrained import SUFFIXES, read_pretrained
from export.source import Source
from export.variants import MAX_ACCURACY_LOSS
from service.models.manifest import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be imported, and how."""

    model: Path
    labels: str
    preprocessing: str | None
    images: Path
    name: str
    licence: str
    calibration: Path | None = None
    """Pictures that choose the ranges of int8; else those in `images` do."""
    architecture: str | None = None
    """For a file of weights: the model of the training package that they belong to."""
    convention: str = "torchvision"
    precisions: Sequence[Precision] = (Precision.FP32,)
    max_accuracy_loss: float = MAX_ACCURACY_LOSS

    def source(self) -> Source:
        """The model, read. Raises ImportMisused where the wish lacks something, and what the readers raise."""
        if self.model.suffix in SUFFIXES:
            if self.architecture is None:
                raise ImportMisused(f"{self.model} holds weights: say with --architecture whose, for example resnet50")
            return read_pretrained(
                self.model,
                architecture=self.architecture,
                convention=self.convention,
                labels=self.labels,
                preprocessing=self.preprocessing,
            )
        if self.preprocessing is None:
            raise ImportMisused("an ONNX file needs --preprocessing: imagenet, unit, or a JSON file with mean and std")
        return read_onnx(self.model, labels=self.labels, preprocessing=self.preprocessing)
