"""The session: a real graph in ONNX Runtime gives the numbers that NumPy gives, from any thread."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import EPFail

from service.engine.bound_batches import BoundBatches
from service.engine.providers import CPU_PROVIDER
from service.engine.session import Session, available_cores
from service.models.manifest import OutputSpec
from tests.service.packages import GAIN, HEIGHT, WIDTH, expected_logits, graph

WITH_EMBEDDING = OutputSpec(embedding="embedding", embedding_size=3)


def load(content: bytes | None = None, *, tensor: str = "image", outputs: OutputSpec = WITH_EMBEDDING) -> Session:
    return Session.load(
        graph() if content is None else content, provider=CPU_PROVIDER, threads=1, tensor=tensor, outputs=outputs
    )


def noise(count: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, HEIGHT, WIDTH, 1), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 2, 5, 64])
def test_a_batch_of_any_size_gives_a_row_for_each_image(count: int) -> None:
    """Logits and embeddings, row for row, as NumPy computes them."""
    images = noise(count)
    outputs = load().run(images)
    expected = np.stack([expected_logits(image[..., 0]) for image in images])
    assert outputs.logits.dtype == np.float32
    assert outputs.logits == pytest.approx(expected, abs=1e-4)
    assert outputs.embeddings == pytest.approx(expected / GAIN, abs=1e-5)


def test_without_a_named_embedding_none_is_computed() -> None:
    """The graph may have it; the manifest decides."""
    assert load(outputs=OutputSpec()).run(noise(2)).embeddings is None


def test_the_provider_is_the_one_asked_for() -> None:
    """What the session says is what ONNX Runtime says."""
    assert load().provider == CPU_PROVIDER


def test_a_provider_that_fails_is_not_replaced_in_silence() -> None:
    """The error comes out; ONNX Runtime's wrapper would go on with the CPU."""

    class Failing:
        def __init__(self, native: object) -> None:
            self._native = native

        def __getattr__(self, name: str) -> object:
            return getattr(self._native, name)

        def run(self, *_arguments: object) -> None:
            raise EPFail("the device is gone")

    session = load()
    session._runtime._sess = Failing(session._runtime._sess)
    with pytest.raises(EPFail):
        session.run(noise(1))


@pytest.mark.parametrize(("count", "padding"), [(1, 0), (2, 0), (3, 1), (5, 3), (64, 0)])
def test_a_batch_is_filled_up_where_only_some_sizes_are_ready(count: int, padding: int) -> None:
    """To the next power of two; nobody sees what was computed besides."""
    images, plain = noise(count), load()
    bound = BoundBatches(plain._runtime, tensor="image", names=["logits", "embedding"], device="cpu")
    session = Session(plain._runtime, tensor="image", outputs=WITH_EMBEDDING, bound=bound)
    outputs = session.run(images)
    assert outputs.padding == padding
    assert outputs.logits == pytest.approx(load().run(images).logits, abs=1e-5)
    assert outputs.embeddings is not None
    assert len(outputs.embeddings) == count


def test_one_session_serves_many_threads() -> None:
    """Calls side by side do not mix their images."""
    session = load()
    batches = [noise(count) for count in range(1, 9)]
    alone = [session.run(images).logits for images in batches]
    with ThreadPoolExecutor(max_workers=8) as pool:
        for _ in range(5):
            together = list(pool.map(lambda images: session.run(images).logits, batches))
            assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


@pytest.mark.parametrize("content", [b"", b"garbage", graph()[:-20], graph()[:50]])
def test_what_is_no_graph_is_an_error(content: bytes) -> None:
    """ONNX Runtime's own error goes up; nothing is served half."""
    with pytest.raises(Exception, match=r"(?i)model|protobuf|graph"):
        load(content)


@pytest.mark.parametrize(
    "images",
    [noise(1)[:, :-1], noise(1)[0], noise(1).astype(np.float32), np.repeat(noise(1), 3, axis=-1)],
    ids=["size", "no batch", "floats", "colours"],
)
def test_tensors_that_the_graph_does_not_take_are_an_error(images: npt.NDArray[np.uint8]) -> None:
    """Shape and type are checked by the runtime, not guessed."""
    with pytest.raises(Exception, match=r"(?i)invalid|unexpected"):
        load().run(images)


def test_wrong_names_are_an_error() -> None:
    """A manifest that names what the graph lacks does not give another output instead."""
    with pytest.raises(Exception, match="scores"):
        load(outputs=OutputSpec(logits="scores")).run(noise(1))
    with pytest.raises(Exception, match=r"picture|image"):
        load(tensor="picture").run(noise(1))


def test_there_is_a_core_to_use() -> None:
    """At least one, whatever the machine."""
    assert available_cores() >= 1
