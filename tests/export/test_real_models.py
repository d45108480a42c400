"""Networks that others exported years ago: opset 9, NCHW, a batch of 1. The package `onnx` brings them for its tests.

Their weights are constants, so all labels come out alike; what is tested is that every node survives the wrapping.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.foreign import read_foreign, wrap
from export.graph import to_bytes
from export.onnx_source import plain_logits
from export.verify import load_session
from service.models.manifest import InputSpec, OutputSpec, PixelFormat

DIRECTORY = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
SPEC = InputSpec(pixel_format=PixelFormat.RGB8, height=224, width=224, mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.mark.parametrize("name", ["light_resnet50", "light_shufflenet", "light_squeezenet"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gives_what_plain_onnx_runtime_gives(name: str) -> None:
    """For two pictures at once, which the graph itself cannot take."""
    model = read_foreign(DIRECTORY / f"{name}.onnx")
    assert (model.opset, model.fixed_batch, model.labels) == (9, True, 1000)
    pictures = np.random.default_rng(0).integers(0, 256, size=(2, 224, 224, 3), dtype=np.uint8)
    logits = load_session(to_bytes(wrap(model, SPEC, properties={})), OutputSpec()).run(pictures).logits
    np.testing.assert_allclose(logits, plain_logits(model, SPEC, pictures), rtol=1e-5, atol=1e-6)
