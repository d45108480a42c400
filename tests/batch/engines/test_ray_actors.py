"""A real Ray on this machine: two actors give the rows of one process, and one of them may die on the way."""

import os
import signal
from pathlib import Path

import psutil
import pyarrow.dataset
import pytest

from batch.engines.loaded_model import ModelChoice
from batch.engines.local import LocalEngine
from batch.engines.ray_actors import RayEngine
from batch.errors import ModelRefused
from batch.job import Job, JobSettings
from batch.plan import Question
from batch.results import Results
from batch.store import FolderStore
from service.engine.providers import Device
from tests.batch.conftest import console_of_nobody, write_pictures
from tests.service.packages import PackageRecipe, golden

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # Ray leaves sockets and processes for the collector to find.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray", "ignore::DeprecationWarning:ray"),
]


class Killing(RayEngine):
    """Kills the process of its first actor when a few answers are there."""

    answers = 0
    killed: int | None = None

    def collect(self) -> list[Results]:
        self.answers += 1
        if self.answers == 3:
            self.killed = self.processes[0]
            os.kill(self.killed, signal.SIGKILL)
        return super().collect()


@pytest.fixture
def choice(models: Path) -> ModelChoice:
    return ModelChoice(models=str(models), device=Device.CPU)


@pytest.fixture
def expected(choice: ModelChoice, source: Path, tmp_path: Path) -> dict[str, bytes]:
    return rows(LocalEngine(choice, workers=1), source, tmp_path / "local")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "in", 2000)


def rows(engine: RayEngine | LocalEngine, source: Path, out: Path) -> dict[str, bytes]:
    settings = JobSettings(source=str(source), question=Question(top_k=2), shard_size=300)
    Job(settings, engine, FolderStore(out), console_of_nobody()).run()
    ids = pyarrow.dataset.dataset(out).to_table().column("id").to_pylist()
    assert len(ids) == len(set(ids)) == 2000
    return {path.name: path.read_bytes() for path in out.glob("part-*")}


def test_two_actors_give_the_rows_of_one_process(
    choice: ModelChoice, source: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    assert rows(RayEngine(choice, workers=2), source, tmp_path / "ray") == expected


def test_an_actor_that_dies_in_the_middle_loses_and_doubles_nothing(
    choice: ModelChoice, source: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    engine = Killing(choice, workers=2)
    assert rows(engine, source, tmp_path / "ray") == expected
    assert engine.killed is not None
    assert not psutil.pid_exists(engine.killed)


def test_a_refused_model_is_said_in_one_line(tmp_path: Path) -> None:
    PackageRecipe(golden=golden(shift=1.0)).write(tmp_path)
    engine = RayEngine(ModelChoice(models=str(tmp_path), device=Device.CPU), workers=1)
    with pytest.raises(ModelRefused, match="disagree with training"):
        engine.start(Question())
    engine.close()
