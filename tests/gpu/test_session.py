"""The session on a real GPU: where it computes, and that its numbers are right however it is run."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from structlog.testing import capture_logs

from service.engine.decode import ImageLimits, decode
from service.engine.preprocess import preprocess
from service.engine.providers import CUDA_PROVIDER
from service.models.manifest import Precision
from service.models.repository import Package
from service.models.verification import golden_difference
from tests.gpu.conftest import LoadSession

pytestmark = pytest.mark.gpu

SIZES = (1, 3, 8, 64, 2, 100, 1)
CLOSE = {Precision.FP32: 1e-3, Precision.FP16: 5e-2}
"""Sums round otherwise in another kernel."""


def noise(package: Package, count: int) -> npt.NDArray[np.uint8]:
    spec = package.manifest.input
    shape = (count, spec.height, spec.width, spec.channels)
    return np.random.default_rng(count).integers(0, 256, shape, dtype=np.uint8)


def test_cuda_is_what_computes_and_graphs_are_recorded(load: LoadSession) -> None:
    """Nothing is replaced in silence, neither the provider nor the graphs."""
    with capture_logs() as log:
        session = load()
    assert session.provider == CUDA_PROVIDER
    assert not log
    assert session._bound is not None
    assert session._bound._graphs


@pytest.mark.parametrize("graphs", ["0", "1"])
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
def test_golden_samples_hold(load: LoadSession, package: Package, precision: Precision, graphs: str) -> None:
    """In float32 those of training, within the tolerance that the package states; TF32 would not."""

    def prepare(image: bytes) -> npt.NDArray[np.uint8]:
        spec = package.manifest.input
        return preprocess(decode(image, pixel_format=spec.pixel_format, limits=ImageLimits()), spec)

    session = load(precision, enable_cuda_graph=graphs)
    assert golden_difference(package, precision, prepare=prepare, session=session) >= 0.0


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
def test_a_graph_gives_what_its_kernels_give_one_by_one(
    load: LoadSession, package: Package, precision: Precision
) -> None:
    """For every size, recorded, replayed, and in a thread that recorded nothing."""
    graphs, plain = load(precision), load(precision, enable_cuda_graph="0")
    with ThreadPoolExecutor(1) as other:
        for count in (*SIZES, *SIZES, *SIZES, *SIZES):
            images = noise(package, count)
            expected = plain.run(images)
            for found in (graphs.run(images), other.submit(graphs.run, images).result()):
                assert found.logits == pytest.approx(expected.logits, abs=CLOSE[precision])
                assert found.logits.shape == expected.logits.shape
                assert np.isfinite(found.logits).all()
