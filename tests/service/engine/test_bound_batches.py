"""Batches in buffers that are bound once: the numbers of a plain run, whatever was computed in them before."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from service.engine.bound_batches import GRAPH_OPTION, BoundBatches
from service.engine.capture import Capture
from service.engine.execution import CPU_PROVIDER
from service.engine.session import open_runtime
from tests.service.packages import HEIGHT, WIDTH, graph

NAMES = ["logits", "embedding"]
Images = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def runtime() -> onnxruntime.InferenceSession:
    return open_runtime(graph(), provider=CPU_PROVIDER, threads=1)


def noise(count: int) -> Images:
    return np.random.default_rng(count).integers(0, 256, (count, HEIGHT, WIDTH, 1), dtype=np.uint8)


def bind(runtime: onnxruntime.InferenceSession, *, graphs: bool = False) -> BoundBatches:
    return BoundBatches(runtime, tensor="image", names=NAMES, device="cpu", graphs=graphs, capture=Capture())


def assert_same(batches: BoundBatches, runtime: onnxruntime.InferenceSession, images: Images) -> None:
    staged = batches.stage(images)
    for ours, plain in zip(batches.compute(staged), runtime.run(NAMES, {"image": staged.memory}), strict=True):
        assert np.array_equal(ours, plain[: len(images)])


def test_the_numbers_are_those_of_a_plain_run(runtime: onnxruntime.InferenceSession) -> None:
    """To the bit, for sizes that are filled up and for those that are not, and for each size again."""
    batches = bind(runtime)
    for count in (1, 3, 4, 2, 64, 33, 1, 3):
        assert_same(batches, runtime, noise(count))


def test_rows_stay_what_they_were(runtime: onnxruntime.InferenceSession) -> None:
    """The next batch writes to the same place, and what was handed out is a copy."""
    batches = bind(runtime)
    first, _ = batches.compute(batches.stage(noise(4)))
    kept = first.copy()
    batches.compute(batches.stage(noise(4)[::-1]))
    assert np.array_equal(first, kept)


def test_what_is_staged_waits_for_its_turn(runtime: onnxruntime.InferenceSession) -> None:
    """Two batches made ready before either is computed do not share memory; afterwards the memory is used again."""
    batches = bind(runtime)
    one, other = batches.stage(noise(2)), batches.stage(noise(2) + 1)
    assert not np.shares_memory(one.memory, other.memory)
    assert not np.array_equal(batches.compute(one)[0], batches.compute(other)[0])
    assert batches.stage(noise(2)).memory is other.memory


@pytest.mark.parametrize("images", [noise(1).astype(np.float32), noise(1)[:, :-1], noise(1)[0]])
def test_tensors_that_the_graph_does_not_take_are_an_error(
    runtime: onnxruntime.InferenceSession, images: Images
) -> None:
    """And the next batch is computed as if nothing had been."""
    batches = bind(runtime)
    with pytest.raises(Exception, match=r"(?i)cannot cast|invalid|unexpected"):
        batches.compute(batches.stage(images))
    assert_same(batches, runtime, noise(1))


def test_threads_do_not_mix_their_images(runtime: onnxruntime.InferenceSession) -> None:
    """They share the buffers of a size, one after the other."""
    batches = bind(runtime)
    images = [noise(count) for count in (1, 2, 3, 4, 5, 6, 7, 8)]
    expected = [runtime.run(NAMES, {"image": one})[0] for one in images]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            found = pool.map(lambda one: batches.compute(batches.stage(one))[0], images)
            for ours, plain in zip(found, expected, strict=True):
                assert ours == pytest.approx(plain, abs=1e-5)


def test_each_size_has_a_graph_of_its_own_and_its_thread_alone_uses_it() -> None:
    """ONNX Runtime tells graphs apart by a number, and keeps those of one thread from another."""

    class Runs:
        """The runtime, and which graph each run was told to record or replay."""

        def __init__(self) -> None:
            self._runtime = open_runtime(graph(), provider=CPU_PROVIDER, threads=1)
            self.graphs: list[str] = []

        def run(self, names: list[str], feed: dict[str, Images], options: onnxruntime.RunOptions) -> object:
            self.graphs.append(options.get_run_config_entry(GRAPH_OPTION))
            return self._runtime.run(names, feed)

        def io_binding(self) -> onnxruntime.IOBinding:
            return self._runtime.io_binding()

        def run_with_iobinding(self, binding: onnxruntime.IOBinding, options: onnxruntime.RunOptions) -> None:
            self.graphs.append(options.get_run_config_entry(GRAPH_OPTION))
            self._runtime.run_with_iobinding(binding)

    runs = Runs()
    batches = BoundBatches(runs, tensor="image", names=NAMES, device="cpu", graphs=True, capture=Capture())
    for count in (1, 2, 1, 2):
        batches.compute(batches.stage(noise(count)))
    assert runs.graphs == ["-1", "1", "-1", "2", "1", "2"]
    other = threading.Thread(target=lambda: batches.compute(batches.stage(noise(2))))
    other.start()
    other.join()
    assert runs.graphs[-1] == "-1"
