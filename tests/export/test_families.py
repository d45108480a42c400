"""Every family of the training package through the export (export/graph.py), in its small form."""

import numpy as np
import pytest
import torch

from export.verify import Pixels, logits_of
from tests.export.families import BLOCKS, ExportedFamily, Families, pictures
from tests.training.models.forms import SMALL_FORMS
from training.data import Splits
from training.evaluate import as_tensor, normalise

IMAGES = [200, pytest.param(1_000, marks=pytest.mark.slow)]
"""Of clothes; a tenth as much noise comes on top."""
SLOW = frozenset({"alexnet", "densenet121", "densenet_bc_100_12", "googlenet", "inception_v3", "resnet18", "wrn_16_8"})
"""These take minutes on two busy cores; run them with -m slow."""
FORMS = [
    *(
        pytest.param(name, marks=[pytest.mark.slow, pytest.mark.timeout(3600)] if name in SLOW else [])
        for name, _ in SMALL_FORMS
    ),
    *BLOCKS,
]
MAX_RELATIVE_DIFFERENCE = 2e-5
"""As a share of the spread of the logits over the images. Random weights make deep networks amplify rounding: float32
has a relative precision of 6e-8, and up to a hundred layers round one after the other."""


@pytest.fixture(scope="module", params=FORMS)
def exported(request: pytest.FixtureRequest, families: Families) -> ExportedFamily:
    return families(request.param)


def relative_difference(exported: ExportedFamily, images: Pixels) -> float:
    with torch.inference_mode():
        parts = torch.split(normalise(as_tensor(images), exported.preprocessing), 100)
        expected = torch.cat([exported.model(part) for part in parts]).numpy()
    logits = logits_of(exported.session, images, batch_size=100)
    alone = exported.session.run(images[:1]).logits
    difference = max(np.abs(logits - expected).max(), np.abs(alone - expected[:1]).max())
    return float(difference / np.ptp(expected, axis=0).max())


@pytest.mark.parametrize("count", IMAGES)
def test_gives_what_torch_gives(exported: ExportedFamily, splits: Splits, count: int) -> None:
    """Over images and over noise, in batches and alone."""
    images = pictures(exported.model.input_shape, splits, count)
    assert relative_difference(exported, images) <= MAX_RELATIVE_DIFFERENCE


def test_does_without_arithmetic_on_shapes(exported: ExportedFamily) -> None:
    """One file, any batch, nothing that depends on the batch but the batch itself; dropout is gone."""
    kinds = {node.op_type for node in exported.graph.graph.node}
    assert not kinds & {"Shape", "Range", "Gather", "Dropout", "If", "Loop"}
    assert {node.domain for node in exported.graph.graph.node} <= {"", "ai.onnx"}
    (batch, *_) = exported.graph.graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param == "batch"
