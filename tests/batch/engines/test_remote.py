"""Over gRPC, to a service whose moods a test decides, and to the real one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import grpc
import pytest
from recognition.v1 import recognition_pb2 as pb

from batch.engines import remote
from batch.engines.loaded_model import ModelChoice
from batch.engines.local import LocalEngine
from batch.engines.remote import RemoteEngine
from batch.engines.served_choice import ServedChoice
from batch.errors import EngineFailed, ModelRefused
from batch.item import Chunk, Item
from batch.job import Job, JobSettings
from batch.plan import Question
from batch.results import Results
from batch.store import FolderStore
from service.engine.providers import Device
from tests.batch.conftest import console_of_nobody, write_pictures
from tests.batch.engines.moody_service import MoodyService
from tests.client.fake_service import RunningServer
from tests.integration.running_service import RunningService, running_service


@pytest.fixture
def service() -> MoodyService:
    return MoodyService()


@pytest.fixture
def target(service: MoodyService, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(remote, "FIRST_PAUSE_SECONDS", 0.01)
    server = RunningServer(service)
    yield server.target
    server.stop()


@pytest.fixture
def chunk(tmp_path: Path) -> Chunk:
    """Pictures of 0 to 9, one that is none, and one that is not there."""
    for digit in range(10):
        (tmp_path / f"{digit}.png").write_bytes(b"%d is what it shows" % digit)
    (tmp_path / "x.png").write_bytes(b"x")
    names = [*map(str, range(10)), "x", "away"]
    return Chunk(shard=0, start=0, items=tuple(Item(path=str(tmp_path / f"{name}.png")) for name in names))


def ask(chunk: Chunk, *servers: str, question: Question | None = None, patience: float = 20.0) -> Results:
    engine = RemoteEngine(ServedChoice(servers=servers, patience_seconds=patience))
    try:
        engine.start(question or Question(top_k=2))
        engine.submit(chunk)
        (results,) = engine.collect()
    finally:
        engine.close()
    return results


def check(results: Results) -> None:
    assert results.labels[:10].tolist() == [[digit, (digit + 1) % 10] for digit in range(10)]
    assert results.probabilities[:10].tolist() == [[0.5, 0.25]] * 10
    assert {place: fault.reason for place, fault in results.faults.items()} == {
        10: "IMAGE_UNREADABLE",
        11: "FILE_UNREADABLE",
    }


def test_answers_and_reasons(target: str, service: MoodyService, chunk: Chunk) -> None:
    """At the lowest priority, so that whoever waits for an answer goes first."""
    check(ask(chunk, target))
    assert service.priorities == {pb.PRIORITY_LOW}


def test_a_server_that_knows_no_columns_is_asked_too(target: str, service: MoodyService, chunk: Chunk) -> None:
    """One of an older release; its answers are as good."""
    service.knows_columns = False
    check(ask(chunk, target))


def test_embeddings_are_asked_for_too(target: str, chunk: Chunk) -> None:
    results = ask(chunk, target, question=Question(top_k=2, embeddings=True))
    check(results)
    assert results.embeddings is not None
    assert results.embeddings[:10].tolist() == [[18.0, 36.0]] * 10


def test_a_picture_that_met_a_full_queue_is_sent_again(target: str, service: MoodyService, chunk: Chunk) -> None:
    """Alone: its neighbours have their answers."""
    service.moods.extend([(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")] * 3)
    service.moods.append((grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN"))
    check(ask(chunk, target))
    assert service.batch_sizes == [11, 4]


def test_another_replica_is_asked_where_one_is_away(target: str, service: MoodyService, chunk: Chunk) -> None:
    other = MoodyService()
    server = RunningServer(other)
    engine = RemoteEngine(ServedChoice(servers=(target, server.target), patience_seconds=30))
    try:
        engine.start(Question(top_k=2))
        server.stop()
        for start in (0, 1):
            engine.submit(Chunk(shard=0, start=start, items=chunk.items))
        results = [found for _ in range(2) for found in engine.collect()]
    finally:
        engine.close()
    assert len(results) == 2
    for found in results:
        check(found)


def test_patience_ends(target: str, service: MoodyService, chunk: Chunk) -> None:
    service.moods.extend([(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")] * 1000)
    with pytest.raises(EngineFailed, match=r"no answer for 0 s: .* Run the same command again to go on"):
        ask(chunk, target, patience=0.05)


def test_patience_begins_anew_with_every_answer(target: str, service: MoodyService, chunk: Chunk) -> None:
    """A server that is slow is not away: here it has room for one picture at a time."""
    for left in range(10, 0, -1):
        service.moods.extend([(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")] * left)
        service.moods.append((grpc.StatusCode.OK, ""))
    check(ask(chunk, target, patience=0.05))
    assert service.batch_sizes == list(range(11, 0, -1))


def test_a_model_that_was_replaced_ends_the_job(target: str, service: MoodyService, chunk: Chunk) -> None:
    engine = RemoteEngine(ServedChoice(servers=(target,)))
    try:
        engine.start(Question())
        service.digest = "e" * 64
        engine.submit(chunk)
        with pytest.raises(EngineFailed, match="was replaced on the server"):
            engine.collect()
    finally:
        engine.close()


def test_servers_must_agree(target: str, chunk: Chunk) -> None:
    other = MoodyService()
    other.digest = "e" * 64
    server = RunningServer(other)
    with pytest.raises(ModelRefused, match="must have the same"):
        ask(chunk, target, server.target)
    server.stop()


def test_what_cannot_start_is_said(target: str, service: MoodyService, chunk: Chunk) -> None:
    engine = RemoteEngine(ServedChoice(servers=(target,), name="other"))
    with pytest.raises(ModelRefused, match="no such model"):
        engine.start(Question())
    engine.close()
    service.state = pb.MODEL_STATE_LOADING
    with pytest.raises(EngineFailed, match="is LOADING"):
        ask(chunk, target)


def test_the_real_service_gives_the_rows_of_the_local_engine(models: Path, pictures: Path, tmp_path: Path) -> None:
    """To the byte."""
    (pictures / "0" / "0000.png").write_bytes(b"no image")
    settings = JobSettings(source=str(pictures), question=Question(embeddings=True), shard_size=20)
    with running_service(models, "--no-http", "--device", "cpu") as service:
        engine = RemoteEngine(ServedChoice(servers=(service.target,)))
        Job(settings, engine, FolderStore(tmp_path / "remote"), console_of_nobody()).run()
    local = LocalEngine(ModelChoice(models=str(models), device=Device.CPU), workers=1)
    Job(settings, local, FolderStore(tmp_path / "local"), console_of_nobody()).run()
    for name in ("part-00000.parquet", "part-00001.parquet", "_plan.json", "_listing.parquet"):
        assert (tmp_path / "remote" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name


class Interrupted(RemoteEngine):
    """After two chunks the server is killed and started anew, while requests are under way."""

    def __init__(self, service: RunningService, start_anew: Callable[[], object]) -> None:
        super().__init__(ServedChoice(servers=(service.target,), patience_seconds=200), workers=2)
        self._service = service
        self._start_anew = start_anew
        self._collected = 0

    def collect(self) -> list[Results]:
        results = super().collect()
        self._collected += 1
        if self._collected == 2:
            self._service.process.kill()
            self._service.process.wait()
            self._start_anew()
        return results


@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back_costs_no_row(models: Path, tmp_path: Path) -> None:
    """None is missing, none is there twice, and the bytes are those of the local engine."""
    source = write_pictures(tmp_path / "in", 300)
    settings = JobSettings(source=str(source), question=Question(), shard_size=20)
    options = ("--no-http", "--device", "cpu")
    with ExitStack() as stack:
        first = stack.enter_context(running_service(models, *options))
        again = partial(running_service, models, *options, "--grpc-port", str(first.grpc_port))
        engine = Interrupted(first, lambda: stack.enter_context(again()))
        Job(settings, engine, FolderStore(tmp_path / "remote"), console_of_nobody()).run()
    local = LocalEngine(ModelChoice(models=str(models), device=Device.CPU), workers=1)
    Job(settings, local, FolderStore(tmp_path / "local"), console_of_nobody()).run()
    parts = sorted(path.name for path in (tmp_path / "local").glob("part-*"))
    assert len(parts) == 15
    for name in parts:
        assert (tmp_path / "remote" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name


def test_room_is_bounded(target: str, service: MoodyService, chunk: Chunk) -> None:
    """A request for each worker and no more, while the images of a few further ones are read."""
    service.delay_seconds = 0.05
    engine = RemoteEngine(ServedChoice(servers=(target,)), workers=2)
    chunks = 2 + remote.READ_AHEAD_PER_REPLICA
    try:
        engine.start(Question(top_k=2))
        room = [engine.has_room]
        for _ in range(chunks):
            engine.submit(chunk)
            room.append(engine.has_room)
        assert room == [True] * chunks + [False]
        found: list[Results] = []
        while len(found) < chunks:
            found += engine.collect()
        assert engine.has_room
    finally:
        engine.close()
    for results in found:
        check(results)
    assert service.most_at_once == 2
