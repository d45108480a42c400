"""Worker processes: whole output, failures in words, and nothing that stays behind."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from batch.engines.loaded_model import ModelChoice
from batch.engines.local import LocalEngine, usable_cores
from batch.errors import EngineFailed, ModelRefused, SourceChanged
from batch.item import Chunk, Item
from batch.job import Job, JobSettings
from batch.plan import Question
from batch.sources import images_of
from batch.sources.manifest import ManifestColumns
from batch.store import FolderStore
from service.engine.providers import Device
from tests.batch.conftest import console_of_nobody
from tests.service.packages import PackageRecipe, golden


@pytest.fixture
def choice(models: Path) -> ModelChoice:
    return ModelChoice(models=str(models), device=Device.CPU)


@pytest.fixture
def engine(choice: ModelChoice) -> Iterator[LocalEngine]:
    engine = LocalEngine(choice, workers=2)
    yield engine
    engine.close()


def test_a_job_with_two_workers(engine: LocalEngine, pictures: Path, tmp_path: Path) -> None:
    """And with a bad image; afterwards no process is left."""
    (pictures / "0" / "0000.png").write_bytes(b"no image")
    settings = JobSettings(source=str(pictures), question=Question(top_k=1, batch_size=2), shard_size=10)
    summary = Job(settings, engine, FolderStore(tmp_path / "out"), console_of_nobody()).run().summary
    assert summary is not None
    assert summary.labels == {"middle": 10, "right": 10, "left": 9}
    assert summary.reasons == {"IMAGE_UNREADABLE": 1}
    assert workers_of_this_process() == []


def test_what_a_worker_meets_reaches_the_job(engine: LocalEngine, tmp_path: Path) -> None:
    """A source that changed, which ends one worker, and afterwards the other one is killed."""
    engine.start(Question())
    assert engine.has_room
    engine.submit(Chunk(shard=0, start=0, items=(Item(path=str(tmp_path / "away.png"), version="1"),)))
    with pytest.raises(SourceChanged, match=r"away.png was there"):
        engine.collect()
    for process in workers_of_this_process():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    with pytest.raises(EngineFailed, match="a worker process ended"):
        ask_often(engine)


def test_a_refused_model_is_said_in_one_line(tmp_path: Path) -> None:
    PackageRecipe(golden=golden(shift=1.0)).write(tmp_path)
    engine = LocalEngine(ModelChoice(models=str(tmp_path)), workers=1)
    with pytest.raises(ModelRefused, match="disagree with training"):
        engine.start(Question())
    engine.close()


def test_room_is_bounded(choice: ModelChoice, pictures: Path) -> None:
    """Two chunks for a worker: one at the session, one ahead."""
    engine = LocalEngine(choice, workers=1)
    try:
        engine.start(Question())
        items = tuple(named.item for named in images_of(str(pictures), ManifestColumns()))
        engine.submit(Chunk(shard=0, start=0, items=items))
        engine.submit(Chunk(shard=0, start=30, items=items))
        assert not engine.has_room
        starts = [results.start for _ in range(2) for results in engine.collect()]
        assert sorted(starts) == [0, 30]
        assert engine.has_room
    finally:
        engine.close()


def ask_often(engine: LocalEngine) -> None:
    for _ in range(4):
        engine.submit(Chunk(shard=0, start=0, items=()))
        engine.collect()


def workers_of_this_process() -> list[int]:
    """Without those that only keep the books of multiprocessing, and those that have ended."""
    time.sleep(0.1)
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # which a zombie is too
            if any("spawn_main" in word for word in child.cmdline()):
                found.append(child.pid)
    return found


@pytest.mark.parametrize(
    ("cores", "quota", "usable"), [(64, None, 64), (64, 4.0, 4), (64, 2.5, 3), (2, 8.0, 2), (2, 0.1, 1)]
)
def test_a_container_uses_what_it_was_given(cores: int, quota: float | None, usable: int) -> None:
    assert usable_cores(cores, quota) == usable
