"""Every family of the training package through the export (export/graph.py), in its small form."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from export.graph import OUTPUTS, build_graph, to_bytes
from export.verify import Pixels, load_session, logits_of
from service.engine.session import Session
from tests.training.models.forms import SMALL_FORMS
from training.checkpoint import Run
from training.config import Preprocessing
from training.data import Splits
from training.evaluate import as_tensor, normalise
from training.models import Classifier, build

IMAGES = [200, pytest.param(1_000, marks=pytest.mark.slow)]
"""Of clothes; a tenth as much noise comes on top."""
SLOW = frozenset({"alexnet", "densenet121", "densenet_bc_100_12", "inception_v3", "resnet18", "wrn_16_8"})
"""These take minutes on two busy cores; run them with -m slow."""
FORMS = [
    pytest.param(form, id=form[0], marks=[pytest.mark.slow, pytest.mark.timeout(3600)] if form[0] in SLOW else [])
    for form in SMALL_FORMS
]
MAX_RELATIVE_DIFFERENCE = 2e-5
"""As a share of the spread of the logits over the images. Random weights make deep networks amplify rounding: float32
has a relative precision of 6e-8, and up to a hundred layers round one after the other."""


class Exported(NamedTuple):
    model: Classifier
    preprocessing: Preprocessing
    graph: onnx.ModelProto
    session: Session


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


@pytest.fixture(scope="module", params=FORMS)
def exported(request: pytest.FixtureRequest, run: Run, splits: Splits) -> Exported:
    name, arguments = request.param
    fresh = build(name, arguments)
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
    record = replace(run.record, family=name, preprocessing=preprocessing)
    graph = build_graph(model, replace(run, record=record))
    return Exported(model, preprocessing, graph, load_session(to_bytes(graph), OUTPUTS))


def relative_difference(exported: Exported, images: Pixels) -> float:
    with torch.inference_mode():
        parts = torch.split(normalise(as_tensor(images), exported.preprocessing), 100)
        expected = torch.cat([exported.model(part) for part in parts]).numpy()
    logits = logits_of(exported.session, images, batch_size=100)
    alone = exported.session.run(images[:1]).logits
    difference = max(np.abs(logits - expected).max(), np.abs(alone - expected[:1]).max())
    return float(difference / np.ptp(expected, axis=0).max())


@pytest.mark.parametrize("count", IMAGES)
def test_gives_what_torch_gives(exported: Exported, splits: Splits, count: int) -> None:
    """Over images and over noise, in batches and alone."""
    images = pictures(exported.model.input_shape, splits, count)
    assert relative_difference(exported, images) <= MAX_RELATIVE_DIFFERENCE


def test_does_without_arithmetic_on_shapes(exported: Exported) -> None:
    """One file, any batch, nothing that depends on the batch but the batch itself; dropout is gone."""
    kinds = {node.op_type for node in exported.graph.graph.node}
    assert not kinds & {"Shape", "Range", "Gather", "Dropout", "If", "Loop"}
    assert {node.domain for node in exported.graph.graph.node} <= {"", "ai.onnx"}
    (batch, *_) = exported.graph.graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param == "batch"
