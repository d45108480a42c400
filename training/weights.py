"""Weights from elsewhere for a model's backbone: torchvision's, a file with a stated convention, or one of our runs.

Each comes with the preprocessing that it was trained with; the wrong one costs accuracy without a word.
"""

import hashlib
import re
import warnings
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from statistics import fmean
from typing import Literal
from urllib.error import URLError

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from training.checkpoint import Run
from training.config import Preprocessing
from training.errors import DataDamaged, DataMissing, RecipeInvalid
from training.models import Classifier

Convention = Literal["torchvision", "caffe-v1", "half"]
MEANS: dict[Convention, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "torchvision": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe-v1": ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3),
    "half": ((0.5,) * 3, (0.5,) * 3),
}
"""Mean and standard deviation that the weights expect. caffe-v1 are He et al.'s residual networks as published in 2015:
stride on the first convolution of a bottleneck, epsilon 0.001. half: pixels from -1 to 1, as Inception-v3 was made."""
COUNTERS = "num_batches_tracked"
"""Of batch normalisation; old files lack them."""
HEADS = ("classifier.", "auxiliary.", "auxiliaries.")
INCEPTION = {
    "Conv2d_1a_3x3": "stem.0",
    "Conv2d_2a_3x3": "stem.1",
    "Conv2d_2b_3x3": "stem.2",
    "Conv2d_3b_1x1": "stem.4",
    "Conv2d_4a_3x3": "stem.5",
    **{f"Mixed_5{letter}": f"a.{index}" for index, letter in enumerate("bcd")},
    **{f"Mixed_6{letter}": f"b.{index}" for index, letter in enumerate("abcde")},
    **{f"Mixed_7{letter}": f"c.{index}" for index, letter in enumerate("abc")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Named tensors, where they come from, and what they want to be fed with."""

    source: str
    sha256: str
    convention: Convention
    tensors: dict[str, Tensor]
    preprocessing: Preprocessing
    model: str
    arguments: dict[str, int] = field(default_factory=dict)
    """what builds a model for them, classes apart"""


def from_torchvision(model: str) -> Weights:
    """The best weights that torchvision has. Raises DataMissing where they can be had from nowhere."""
    if model == "googlenet":
        raise RecipeInvalid("torchvision's googlenet has 3 x 3 where the paper has 5 x 5: its weights do not fit")
    try:
        best = torchvision.models.get_model_weights(model).DEFAULT
    except ValueError:
        raise RecipeInvalid(f"torchvision has no weights for {model}; give some with --weights or --from-run") from None
    try:
        tensors = best.get_state_dict(progress=False, check_hash=True)
    except (OSError, URLError, RuntimeError) as error:
        raise DataMissing(
            f"the weights {best} could not be fetched ({error}); fetch {best.url} elsewhere and name it with --weights"
        ) from error
    transform = best.transforms()
    convention: Convention = "half" if model == "inception_v3" else "torchvision"
    preprocessing = imagenet_input(
        transform.crop_size[0], resize_to=transform.resize_size[0], convention=convention
    )  # fmt: skip
    return Weights(
        source=f"torchvision {best}", sha256=_digest(tensors), convention=convention, tensors=tensors,
        preprocessing=preprocessing, model=model,
    )  # fmt: skip


def from_file(path: Path, model: str, convention: Convention) -> Weights:
    """A .safetensors file, or a state dict that torch saved (read without running code out of it)."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataMissing(f"{path} does not exist; name a .safetensors or .pth file of weights") from None
    tensors = _tensors_of(path, content)
    size = image_size(model)
    return Weights(
        source=path.name, sha256=hashlib.sha256(content).hexdigest(), convention=convention, tensors=tensors,
        preprocessing=imagenet_input(size, resize_to=round(size * 8 / 7), convention=convention), model=model,
        arguments={"caffe": 1} if convention == "caffe-v1" else {},
    )  # fmt: skip


def _tensors_of(path: Path, content: bytes) -> dict[str, Tensor]:
    """Raises DataDamaged in one line, without torch's advice to run what is in the file."""
    try:
        if path.suffix == ".safetensors":
            return load_tensors(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it is about how the file was made, not what is in it
            tensors = torch.load(BytesIO(content), "cpu", weights_only=True)
    except UnpicklingError as error:
        other = re.search(r"Unsupported global: GLOBAL (\S+)", str(error))
        if other is None:
            raise DataDamaged(f"{path} holds no weights that can be read: it is damaged, or of another kind") from error
        raise _more_than_tensors(path, other[1]) from error
    except (SafetensorError, RuntimeError, EOFError) as error:
        reason = (str(error).splitlines() or ["it ends too early"])[0]
        raise DataDamaged(f"{path} holds no weights that can be read: {reason}") from error
    if not isinstance(tensors, dict):
        raise _more_than_tensors(path, type(tensors).__name__)
    for name, value in tensors.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            raise _more_than_tensors(path, f"{name}: {type(value).__name__}")
    return tensors


def _more_than_tensors(path: Path, what: str) -> DataDamaged:
    return DataDamaged(
        f"{path} holds more than named tensors ({what}) and is not loaded; save only the model's state_dict()"
    )


def from_run(directory: Path) -> Weights:
    """What one of our runs has learnt, with its own preprocessing."""
    run = Run.load(directory)
    return Weights(
        source=f"run {directory.name}", sha256=run.digest, convention="torchvision",
        tensors=run.build_model().state_dict(), preprocessing=run.record.preprocessing, model=run.record.model.name,
        arguments={key: value for key, value in run.record.model.arguments.items() if key != "classes"},
    )  # fmt: skip


def fresh(model: str) -> Weights:
    """No weights at all, in the form that torchvision's would have: to see what a transfer is worth."""
    size = image_size(model)
    return Weights(
        source="none", sha256="", convention="torchvision", tensors={},
        preprocessing=imagenet_input(size, resize_to=round(size * 8 / 7), convention="torchvision"), model=model,
    )  # fmt: skip


def for_grey(weights: Weights) -> Weights:
    """The same for pictures of one channel, with the mean over the three; `load_backbone` sums the kernels."""
    coloured = weights.preprocessing
    grey = replace(coloured, pixel_format="gray8", mean=(fmean(coloured.mean),), std=(fmean(coloured.std),))
    return replace(weights, preprocessing=grey, arguments={**weights.arguments, "channels": 1})


def image_size(model: str) -> int:
    return 299 if model == "inception_v3" else 224


def imagenet_input(size: int, *, resize_to: int, convention: Convention) -> Preprocessing:
    """The shorter side to `resize_to`, a square from the centre, the convention's mean and standard deviation."""
    mean, std = MEANS[convention]
    return Preprocessing(
        pixel_format="rgb8", height=size, width=size, resize="shorter_side", resize_to=resize_to, mean=mean, std=std
    )


def load_backbone(model: Classifier, weights: Weights) -> None:
    """All but the head, which stays as it is. A first layer for one channel gets the sum over the three.

    Raises RecipeInvalid, naming the first layer that does not fit.
    """
    expected = model.state_dict()
    tensors = {}
    for name, tensor in sorted(weights.tensors.items()):  # so that the lowest layer is the first to be named
        ours = our_name(name, expected)
        if ours is None or ours.startswith(HEADS):
            continue
        if ours not in expected and ours.endswith(COUNTERS):
            continue  # another one will be missed that says more
        if tensor.ndim == 4 and ours in expected and (tensor.shape[1], expected[ours].shape[1]) == (3, 1):
            tensor = tensor.sum(dim=1, keepdim=True)  # noqa: PLW2901 - the same weights for a grey picture
        if ours not in expected or expected[ours].shape != tensor.shape:
            wanted = tuple(expected[ours].shape) if ours in expected else "nothing"
            raise RecipeInvalid(
                f"{weights.source} does not fit {weights.model}: {name} has shape {tuple(tensor.shape)}, the model "
                f"takes {wanted} there; name the model that these weights are of"
            )
        tensors[ours] = tensor
    missing = [name for name in expected if name not in tensors and not name.startswith(HEADS)]
    missing = [name for name in missing if not name.endswith(COUNTERS)]
    if missing:
        raise RecipeInvalid(f"{weights.source} does not fit {weights.model}: it lacks {missing[0]}; name their model")
    model.load_state_dict(tensors, strict=False)


def our_name(name: str, expected: dict[str, Tensor]) -> str | None:
    """A name of torchvision's as our models call that layer; None for its heads, which are never taken over."""
    if name in expected and not name.startswith("classifier."):
        return name
    if name.startswith(("fc.", "AuxLogits.", "aux1.", "aux2.")):
        return None
    first, _, rest = name.partition(".")
    if first in INCEPTION and "stem.0.conv.weight" in expected:
        return f"{INCEPTION[first]}.{rest}"
    if first == "features":
        return "body." + re.sub(r"(norm|relu|conv)[.]([12])[.]", r"\1\2.", rest)  # old DenseNet files say norm.1
    if first == "classifier":
        hidden = f"head.{rest}"
        return hidden if hidden in expected else None
    return name


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
