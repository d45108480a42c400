"""Families of the training package in their small forms, with weights that tell pictures apart, and their graphs."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from export.graph import OUTPUTS, build_graph, to_bytes
from export.verify import Pixels, load_session
from service.engine.session import Session
from tests.training.models.forms import SMALL_FORMS
from training.checkpoint import Run
from training.config import Preprocessing
from training.data import Splits
from training.evaluate import as_tensor, normalise
from training.models import Classifier, build, googlenet

BLOCKS = {"googlenet: 3a, 4a, 5a": ("googlenet", ("3a", "4a", "5a"))}
"""A form with so many of its family's nine blocks, one behind each pooling: torch draws it in a third of the time."""


class ExportedFamily(NamedTuple):
    model: Classifier
    preprocessing: Preprocessing
    graph: onnx.ModelProto
    session: Session


Families: TypeAlias = Callable[[str], ExportedFamily]
"""By the name of the form."""


def export_family(form: str, run: Run, splits: Splits) -> ExportedFamily:
    """As a run of that family would be; all else is taken from a run that there is."""
    fresh, family = small_form(form)
    channels, height, width = fresh.input_shape
    preprocessing = Preprocessing(
        pixel_format="gray8" if channels == 1 else "rgb8",
        height=height,
        width=width,
        mean=(0.286, 0.4, 0.5)[:channels],
        std=(0.353, 0.3, 0.25)[:channels],
    )
    sample = normalise(as_tensor(pictures(fresh.input_shape, splits, 32)), preprocessing)
    model = wake(fresh, sample)
    record = replace(run.record, family=family, preprocessing=preprocessing)
    graph = build_graph(model, replace(run, record=record))
    return ExportedFamily(model, preprocessing, graph, load_session(to_bytes(graph), OUTPUTS))


def small_form(form: str) -> tuple[Classifier, str]:
    """The model and the name of its family."""
    family, blocks = BLOCKS.get(form, (form, tuple(googlenet.INCEPTIONS)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(googlenet, "INCEPTIONS", {name: googlenet.INCEPTIONS[name] for name in blocks})
        return build(family, dict(SMALL_FORMS)[family]), family


def wake(model: Classifier, pixels: Tensor) -> Classifier:
    """Weights under which logits differ from image to image, as fresh ones do not: He's scale, measured statistics."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    for module in model.modules():
        module.train(isinstance(module, nn.BatchNorm2d))
    with torch.no_grad():
        model(pixels)
    return model.eval()


def pictures(shape: tuple[int, int, int], splits: Splits, count: int) -> Pixels:
    """Real clothes on a ground of the right size: the whole sample, then mirrored ones; and a tenth as much noise."""
    channels, height, width = shape
    real = np.concatenate([splits.train.pixels, splits.validation.pixels, splits.test.pixels])
    real = np.concatenate([real, real[:, :, ::-1]])[:count]
    ground = np.zeros((len(real), height, width, channels), dtype=np.uint8)
    ground[:, :28, :28] = real
    noise = np.random.default_rng(0).integers(0, 256, size=(count // 10, height, width, channels), dtype=np.uint8)
    return np.concatenate([ground, noise])
