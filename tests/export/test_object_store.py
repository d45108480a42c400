"""Packages in object storage (export/object_store.py): a real S3 server of this process, and fsspec's memory."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import fsspec
import pytest
from moto.server import ThreadedMotoServer

from export.destination import Destination, DirectoryDestination, destination
from export.draft import Draft
from export.errors import DestinationUnknown, PublicationFailed, VersionMissing
from export.object_lock import LOCK_FILE
from export.object_store import CLAIM_FILE, ObjectDestination
from export.signing import SigningKey, make_keys
from export.verify import prove
from service.models.repository import ModelRepository, Package
from service.models.signature import TrustedKeys

FILES = {"manifest.json", "model.onnx", "model.explain.onnx", "golden.npz", "card.md"}


def accept(_package: Package) -> None:
    """For tests that are not about the proof."""


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["s3", "memory"])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty place; the server and the credentials come from the environment, as botocore reads it."""
    name = f"models-{uuid.uuid4().hex}"
    if request.param == "memory":
        yield f"memory://{name}/deep"
        memory = fsspec.filesystem("memory")
        if memory.exists(f"/{name}"):
            memory.rm(f"/{name}", recursive=True)
        return
    use_s3(request.getfixturevalue("s3_server"), monkeypatch)
    boto3.client("s3").create_bucket(Bucket=name)
    yield f"s3://{name}/deep"


def use_s3(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.filesystem("s3").clear_instance_cache()


def files_of(url: str) -> dict[str, bytes]:
    files, root = fsspec.core.url_to_fs(url)
    files.invalidate_cache()
    return {path.removeprefix(root + "/"): files.cat_file(path) for path in files.find(root)}


def download(url: str, target: Path) -> Path:
    """As anyone would bring the repository to a server."""
    for name, content in files_of(url).items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
    return target


def test_what_is_published_is_a_repository_that_can_be_served(url: str, draft: Draft, tmp_path: Path) -> None:
    """Numbers count up; a copy of it passes the service's own replay, and nothing else lies there."""
    for version in (1, 2):
        with destination(url) as store:
            assert store.publish(draft, prove=prove).manifest.version == version
            assert store.place("clothes", version) == f"{url}/clothes/{version}"
    assert set(files_of(url)) == {
        *(f"clothes/{version}/{file}" for version in (1, 2) for file in FILES),
        "clothes/config.pbtxt",
        "clothes/labels.txt",
    }
    repository = ModelRepository(download(url, tmp_path))
    prove(repository.open("clothes", 2))


def test_versions_are_listed_named_compared_and_pruned(url: str, draft: Draft, tmp_path: Path) -> None:
    """As in a directory; each time by another process."""
    with destination(url) as store:
        for _ in range(3):
            store.publish(draft, prove=accept)
    with destination(url) as store:
        assert store.set_alias("clothes", "stable", 1) == {"stable": 1}
    with destination(url) as store:
        assert store.set_alias("clothes", "canary", 3) == {"stable": 1, "canary": 3}
        newest = store.newest("clothes")
        assert newest is not None
        assert newest.manifest.version == 3
    with destination(url) as store:
        assert [store.number("clothes", which) for which in ("stable", "canary", "2")] == [1, 3, 2]
        with pytest.raises(VersionMissing, match="no version and no alias 'other'; it has 1, 2, 3, canary, stable"):
            store.number("clothes", "other")
    with destination(url) as store:
        assert store.prune("clothes", keep=1) == [2]
    with destination(url) as store:
        rows = store.summaries()
    assert [(row.version, row.aliases, row.problem) for row in rows] == [(1, ("stable",), ""), (3, ("canary",), "")]
    assert {name.split("/")[1] for name in files_of(url)} == {"1", "3", "aliases.json", "config.pbtxt", "labels.txt"}
    assert ModelRepository(download(url, tmp_path)).selected("clothes") == [1, 3]


def test_aliases_that_another_command_sets_meanwhile_stay(url: str, draft: Draft) -> None:
    """Each command reads them when it is its turn to write, and leaves nothing but them."""
    with destination(url) as one, destination(url) as other:
        one.publish(draft, prove=accept)
        one.set_alias("clothes", "first", 1)
        other.set_alias("clothes", "second", 1)
        assert one.set_alias("clothes", "third", 1) == {"first": 1, "second": 1, "third": 1}
    assert not any(name.endswith(LOCK_FILE) for name in files_of(url))


def test_a_number_that_another_export_has_claimed_is_passed_over(url: str, draft: Draft) -> None:
    """Claimed after this one looked, and before: what has no manifest yet is no version, but its number is taken."""
    files, root = fsspec.core.url_to_fs(url)

    def claim(package: Package) -> None:
        if package.manifest.version == 1:
            files.pipe_file(f"{root}/clothes/1/{CLAIM_FILE}", b"other")

    with destination(url) as store:
        assert store.publish(draft, prove=claim).manifest.version == 2
    assert {name for name in files_of(url) if name.startswith("clothes/1/")} == {f"clothes/1/{CLAIM_FILE}"}
    with destination(url) as store:
        assert [row.version for row in store.summaries()] == [2]
    with destination(url) as store, pytest.raises(VersionMissing, match="no version 1; it has 2"):
        store.open("clothes", 1)
    with destination(url) as store:
        assert store.publish(draft, prove=accept).manifest.version == 3


def test_an_upload_that_breaks_off_leaves_nothing(
    url: str, draft: Draft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is full when the graph comes; one sentence says so."""
    files, root = fsspec.core.url_to_fs(url)
    store = ObjectDestination(files, root, url=url, scratch=tmp_path)
    upload = store._put

    def full(source: Path, name: str, version: int | None = None) -> None:
        if source.name == "model.onnx":
            raise OSError("no room")
        upload(source, name, version)

    monkeypatch.setattr(store, "_put", full)
    with pytest.raises(PublicationFailed, match=r"cannot be used: no room\. Nothing was published; "):
        store.publish(draft, prove=accept)
    assert files_of(url) == {}


def test_a_version_is_signed_where_it_lies(url: str, draft: Draft, tmp_path: Path) -> None:
    """At its publication or later."""
    private, public = make_keys(tmp_path / "release")
    sign = SigningKey.read(private).sign
    with destination(url) as store:
        store.publish(draft, prove=accept, sign=sign)
        store.publish(draft, prove=accept)
    with destination(url) as store:
        store.sign("clothes", 2, sign)
    repository = ModelRepository(download(url, tmp_path / "models"), trusted=TrustedKeys.read(public))
    assert [repository.open("clothes", version).manifest.version for version in (1, 2)] == [1, 2]


def test_damage_is_listed(url: str, draft: Draft) -> None:
    """By the size of the files, without reading them all."""
    with destination(url) as store:
        store.publish(draft, prove=accept)
    files, root = fsspec.core.url_to_fs(url)
    files.pipe_file(f"{root}/clothes/1/card.md", b"short")
    with destination(url) as store:
        (row,) = store.summaries()
    assert "clothes/1/card.md has 5 bytes" in row.problem
    with destination(url) as store:
        with pytest.raises(PublicationFailed, match=r"card\.md was changed"):
            store.open("clothes", 1)
        assert store.newest("clothes") is None


def test_the_triton_files_of_somebody_else_stay(url: str, draft: Draft) -> None:
    """As in a directory."""
    files, root = fsspec.core.url_to_fs(url)
    files.pipe_file(f"{root}/clothes/config.pbtxt", b"mine")
    with destination(url) as store:
        store.publish(draft, prove=accept)
    assert files_of(url)["clothes/config.pbtxt"] == b"mine"


def test_what_is_not_there_is_named_by_its_url(url: str, draft: Draft) -> None:
    """Never by the place of the mirror."""
    with destination(url) as store:
        assert store.newest("clothes") is None
        with pytest.raises(VersionMissing, match=url):
            store.summaries()
        for name in ("clothes", "../x", ""):
            with pytest.raises(VersionMissing, match=url):
                store.open(name, 1)


def test_a_store_that_cannot_be_used_is_one_sentence(
    s3_server: str, monkeypatch: pytest.MonkeyPatch, draft: Draft
) -> None:
    """No bucket of that name, here."""
    use_s3(s3_server, monkeypatch)
    reason = r"^s3://nowhere-at-all/models cannot be used: .*bucket"
    with destination("s3://nowhere-at-all/models") as store, pytest.raises(PublicationFailed, match=reason) as failed:
        store.publish(draft, prove=accept)
    assert "\n" not in str(failed.value)


def kind(store: Destination) -> type[Destination]:
    return type(store)


def test_a_directory_by_its_url_is_a_directory(tmp_path: Path, draft: Draft) -> None:
    """With a rename, as without the URL."""
    with destination(f"file://{tmp_path}/models") as store:
        assert kind(store) is DirectoryDestination
        assert store.publish(draft, prove=accept).path == tmp_path / "models" / "clothes" / "1"
    assert json.loads((tmp_path / "models" / "clothes" / "1" / "manifest.json").read_bytes())["version"] == 1


def test_a_url_that_nobody_knows_is_refused() -> None:
    """Before anything is computed."""
    with pytest.raises(DestinationUnknown, match="nope://x"), destination("nope://x"):
        raise AssertionError
