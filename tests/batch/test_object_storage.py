"""A real server that speaks S3, as source and as output."""

import logging
import tarfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from batch.engines.loaded_model import ModelChoice
from batch.errors import OutputBusy, PlanChanged
from batch.job import Job, JobSettings
from batch.lock import held
from batch.plan import Question
from batch.share import Share
from batch.store import FolderStore, ObjectStore, open_store
from service.engine.providers import Device
from tests.batch.conftest import console_of_nobody
from tests.batch.in_process_engine import InProcessEngine


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """`s3://photos` on a server of this machine; the environment leads s3fs there, in worker processes too."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        fsspec.filesystem("s3").mkdir("photos")
        yield "s3://photos"
        fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


def job(source: str, output: str, models: Path) -> Job:
    engine = InProcessEngine(ModelChoice(models=str(models), device=Device.CPU))
    settings = JobSettings(source=source, question=Question(top_k=2), shard_size=20)
    return Job(settings, engine, open_store(output), console_of_nobody())


def test_source_and_output_in_a_bucket(bucket: str, models: Path, pictures: Path, tmp_path: Path) -> None:
    """A folder of objects and a tar shard give the labels that the same files give here; a second run does nothing."""
    (pictures / "0" / "0000.png").write_bytes(b"no image")
    storage = fsspec.filesystem("s3")
    storage.put(str(pictures), "photos/in", recursive=True)
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        archive.add(pictures, arcname="")
    storage.put_file(str(tmp_path / "shard.tar"), "photos/shard.tar")
    job(str(pictures), str(tmp_path / "here"), models).run()
    expected = rows(FolderStore(tmp_path / "here"))
    for source, out in ((f"{bucket}/in", f"{bucket}/out"), (f"{bucket}/shard.tar", f"{bucket}/out-tar")):
        outcome = job(source, out, models).run()
        assert outcome.summary is not None
        assert outcome.summary.reasons == {"IMAGE_UNREADABLE": 1}
        store = open_store(out)
        assert rows(store) == expected
        assert store.names() == {
            "_listing.parquet",
            "_plan.json",
            "_summary.html",
            "_summary.json",
            "part-00000.parquet",
            "part-00001.parquet",
        }
    assert job(f"{bucket}/in", f"{bucket}/out", models).run().shards_done == 0
    storage.pipe_file("photos/in/0/0001.png", b"new")
    with pytest.raises(PlanChanged, match=r"1 added \(0/0001.png\)"):
        job(f"{bucket}/in", f"{bucket}/out", models).run()


def test_a_lease_keeps_a_second_job_away(bucket: str) -> None:
    """The bucket itself refuses to create it twice."""
    store = open_store(f"{bucket}/leased")
    assert isinstance(store, ObjectStore)
    with (
        held(store, Share()),
        pytest.raises(OutputBusy, match="is being written by process"),
        held(open_store(f"{bucket}/leased"), Share()),
    ):
        pass
    store.fs.pipe_file(f"{store.prefix}/once", b"1", mode="create")
    with pytest.raises(FileExistsError):
        store.fs.pipe_file(f"{store.prefix}/once", b"2", mode="create")


def rows(store: FolderStore | ObjectStore) -> list[dict[str, object]]:
    import pyarrow.parquet as pq

    found = []
    for number in range(2):
        with store.fetched(f"part-{number:05d}.parquet") as path:
            found += pq.read_table(path).drop_columns(["path"]).to_pylist()
    return found
