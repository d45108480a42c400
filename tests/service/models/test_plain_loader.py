"""From a plain model on disk to tensors that answer."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.engine.batcher import BatchPolicy, BatchReport
from service.engine.providers import CPU_PROVIDER
from service.models.manifest import digest_of
from service.models.package import PackageRefused
from service.models.plain_loader import PlainModelLoader
from service.models.plain_model import open_plain_model
from tests.service import plain_models

RESHAPED = """
input { name: "image" data_type: TYPE_FP32 dims: [3, 2, 2] reshape { shape: [1, 3, 2, 2] } }
output { name: "scores" data_type: TYPE_FP32 dims: [12] reshape { shape: [1, 12, 1, 1] } }
"""


@pytest.fixture
def reports() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture
def loader(reports: list[tuple[str, int, int]]) -> PlainModelLoader:
    def note(name: str, version: int, report: BatchReport) -> None:
        reports.append((name, version, report.size))

    return PlainModelLoader(provider=CPU_PROVIDER, threads=1, policy=BatchPolicy(max_batch_size=8), observe=note)


async def test_a_graph_with_a_batch_answers_many_at_once(
    tmp_path: Path, loader: PlainModelLoader, reports: list[tuple[str, int, int]]
) -> None:
    """Each request gets its own rows; every row is reported."""
    graph = plain_models.sum_and_difference()
    plain_models.write(tmp_path, "pair", graph, version=3)
    live = await loader.load(open_plain_model(tmp_path / "pair", 3))
    assert (live.name, live.version, live.digest, live.provider) == ("pair", 3, digest_of(graph), CPU_PROVIDER)

    async def ask(value: int) -> None:
        tensor = np.full((2, 2), value, dtype=np.float32)
        computed = await live.compute({"a": tensor, "b": tensor}, {"sum"}, deadline=None)
        assert list(computed.outputs) == ["sum"]
        assert np.array_equal(computed.outputs["sum"], tensor + tensor)

    await asyncio.gather(*(ask(value) for value in range(10)))
    await live.drain()
    assert sum(size for _, _, size in reports) == 20
    assert {(name, version) for name, version, _ in reports} == {("pair", 3)}


async def test_a_graph_without_a_batch_answers_one_by_one(tmp_path: Path, loader: PlainModelLoader) -> None:
    """Though its first dimension is open."""
    plain_models.write(tmp_path, "total", plain_models.total())
    live = await loader.load(open_plain_model(tmp_path / "total", 1))
    tensors = [np.ones(length, dtype=np.float32) for length in (1, 5, 9)]
    computed = await asyncio.gather(*(live.compute({"x": tensor}, {"y"}, deadline=None) for tensor in tensors))
    assert [answer.outputs["y"].tolist() for answer in computed] == [[1.0], [5.0], [9.0]]
    await live.drain()


async def test_tensors_are_reshaped_on_both_sides(tmp_path: Path, loader: PlainModelLoader) -> None:
    """Callers never see the graph's own shapes."""
    plain_models.write(tmp_path, "dense", plain_models.flattened(), config_pbtxt=RESHAPED)
    live = await loader.load(open_plain_model(tmp_path / "dense", 1))
    tensor = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    computed = await live.compute({"image": tensor}, {"scores"}, deadline=None)
    assert computed.outputs["scores"].tolist() == list(range(12))
    await live.drain()


async def test_the_configured_delay_and_batch_size_count(tmp_path: Path, loader: PlainModelLoader) -> None:
    """Instead of the service's own."""
    text = "max_batch_size: 2 dynamic_batching { max_queue_delay_microseconds: 1500 }"
    plain_models.write(tmp_path, "own", plain_models.identity(), config_pbtxt=text)
    live = await loader.load(open_plain_model(tmp_path / "own", 1))
    policy = live.batcher._queue._scheduler._policy
    assert (policy.max_batch_size, policy.max_delay_seconds) == (2, 0.0015)
    await live.drain()


def cut_short(root: Path) -> None:
    graph = plain_models.identity()
    plain_models.write(root, "bad", graph[: len(graph) // 2])


def wrongly_configured(root: Path) -> None:
    plain_models.write(root, "bad", plain_models.identity(), config_pbtxt='input { name: "z" data_type: TYPE_FP32 }')


def unknown_to_the_runtime(root: Path) -> None:
    """A message of the right form that describes nothing."""
    plain_models.write(root, "bad", b"\x08\x07")


@pytest.mark.parametrize("write", [cut_short, wrongly_configured, unknown_to_the_runtime])
async def test_what_cannot_be_served_is_refused(
    tmp_path: Path, loader: PlainModelLoader, write: Callable[[Path], None]
) -> None:
    """With the place of the file, and no thread left behind."""
    write(tmp_path)
    model = open_plain_model(tmp_path / "bad", 1)
    with pytest.raises(PackageRefused, match="bad/"):
        await loader.load(model)
