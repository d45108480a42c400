"""The loaders (service/loaders.py): each setting reaches the models."""

from pathlib import Path

import pytest
from recognition.v1 import recognition_pb2 as pb
from structlog.testing import capture_logs

from service import loaders
from service.bootstrap import build_server
from service.config import Settings
from service.engine.decoders import SmallInProcesses
from service.engine.providers import CPU_PROVIDER, CUDA_PROVIDER, Provider
from service.loaders import _batch_policy
from service.ports import StartRefused
from tests.service.in_process import QUICK, held, serving, until
from tests.service.models.damage import edit_manifest
from tests.service.packages import encode, picture

IMAGE = encode(picture(0))


async def test_batches_are_cut_by_the_settings(models: Path) -> None:
    """What waits together travels together, up to the largest batch."""
    async with serving(models, max_batch_size=4) as service:
        with held(service.live()) as release:
            calls = [service.stub.Classify(pb.ClassifyRequest(image=IMAGE)) for _ in range(12)]
            await until(lambda: service.live().batcher.waiting >= 8)
            release.set()
            sizes = [(await call).times.batch_size for call in calls]
        assert max(sizes) == 4
        assert service.sum("recognition_batch_closed_total", cause="full") >= 2


async def test_kept_outputs_are_counted(models: Path) -> None:
    """With `cache_bytes` the same file is computed once; without, each time, and nothing is looked up."""
    for settings, lookups, batches in (({"cache_bytes": 2**20}, 3, 1), ({}, 0, 3)):
        async with serving(models, **settings) as service:
            answers = [await service.stub.Classify(pb.ClassifyRequest(image=IMAGE)) for _ in range(3)]
            assert len({answer.classification.SerializeToString() for answer in answers}) == 1
            assert service.sum("recognition_batch_closed_total") == batches
            assert service.sum("recognition_cache_lookups_total") == lookups
            assert service.sum("recognition_cache_lookups_total", outcome="hit") == max(0, lookups - 1)
            assert (service.sum("recognition_cache_bytes") > 0) is bool(settings)


@pytest.mark.parametrize(("asked", "macs", "threads"), [(0, 1, 1), (0, 0, 3), (2, 1, 2)])
async def test_a_tiny_model_computes_on_one_thread(
    models: Path, monkeypatch: pytest.MonkeyPatch, asked: int, macs: int, threads: int
) -> None:
    """Where the settings do not say otherwise."""
    monkeypatch.setattr(loaders, "available_cores", lambda: 3)
    edit_manifest(models / "thirds" / "1", lambda values: values.update({"macs": macs}))
    async with serving(models, threads=asked) as service:
        options = service.live().session._runtime.get_session_options()
        assert options.intra_op_num_threads == threads


async def test_an_option_that_the_provider_lacks_ends_the_start(models: Path) -> None:
    """The message names the setting and the option."""
    settings = Settings(**(QUICK | {"models": models, "provider_options": "no_such=1"}))
    with pytest.raises(StartRefused, match=r"provider_options: .*no_such"):
        await build_server(settings)


@pytest.mark.parametrize(
    ("name", "parallel_batches", "warnings"), [(CUDA_PROVIDER, 2, 1), (CUDA_PROVIDER, 0, 0), (CPU_PROVIDER, 2, 0)]
)
def test_what_runs_beside_the_graphs_of_a_gpu_is_said(name: str, parallel_batches: int, warnings: int) -> None:
    """It is slower, and no mistake."""
    settings = Settings(**(QUICK | {"parallel_batches": parallel_batches}))
    with capture_logs() as log:
        policy = _batch_policy(settings, Provider(name=name, reason="told"), threads=4)
    assert policy.lanes == (parallel_batches or 1)
    assert [entry["parallel_batches"] for entry in log] == [parallel_batches] * warnings


@pytest.mark.parametrize(("threads", "processes"), [(6, 3), (1, 1)])
async def test_many_small_images_are_answered_alike_before_there_is_a_process_and_then(
    models: Path, threads: int, processes: int
) -> None:
    """No process is there before it is wanted, and half of the threads are left to who sends a single image."""
    request = pb.BatchClassifyRequest(images=[encode(picture(number)) for number in range(20)])
    async with serving(models, decode_threads=threads) as service:
        await service.stub.Classify(pb.ClassifyRequest(image=IMAGE))
        line, decoders = service.live().classifier._line, service.live().classifier._preparation._decoders
        assert isinstance(decoders, SmallInProcesses)
        pool = decoders._pool
        assert (pool._startable, line._small_at_once) == (processes, processes)
        before = await service.stub.BatchClassify(request)
        assert pool._startable == processes - 1
        await until(lambda: bool(pool.pids()))
        after = await service.stub.BatchClassify(request)
        assert [one.classification for one in after.results] == [one.classification for one in before.results]
        pool.close()
