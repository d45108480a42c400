"""Publication into a repository (export/publish.py)."""

import multiprocessing
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from export.draft import Draft
from export.errors import NameInvalid, PublicationFailed
from export.publish import check_name, newest, publish
from export.verify import prove
from service.models.repository import ModelRepository, Package


def accept(_package: Package) -> None:
    """For tests that are not about the proof."""


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_reader_finds_what_was_published(draft: Draft, tmp_path: Path) -> None:
    """Proved by the service's own replay, with every digest right."""
    published = publish(draft, tmp_path, prove=prove)
    package = ModelRepository(tmp_path).open("clothes", 1)
    package.check_files()
    assert package == published
    assert set(contents(package.path)) == {"manifest.json", "model.onnx", "model.explain.onnx", "golden.npz", "card.md"}


def test_versions_count_up_and_nothing_is_overwritten(draft: Draft, tmp_path: Path) -> None:
    """Each manifest says its own number."""
    first = publish(draft, tmp_path, prove=accept)
    before = contents(first.path)
    second = publish(draft, tmp_path, prove=accept)
    assert (first.manifest.version, second.manifest.version) == (1, 2)
    assert contents(first.path) == before
    assert ModelRepository(tmp_path).open("clothes", 2).digest == second.digest != first.digest


def test_the_number_follows_the_highest(draft: Draft, tmp_path: Path) -> None:
    """A gap stays a gap: version 3 might be in somebody's notes."""
    (tmp_path / "clothes" / "7").mkdir(parents=True)
    assert publish(draft, tmp_path, prove=accept).manifest.version == 8


def test_those_who_publish_at_once_get_different_numbers(draft: Draft, tmp_path: Path) -> None:
    """All find the same highest number, and one after the other is given the next."""
    together = Barrier(6)

    def wait(_package: Package) -> None:
        together.wait(timeout=30)

    with ThreadPoolExecutor(max_workers=6) as pool:
        packages = list(pool.map(lambda _: publish(draft, tmp_path, prove=wait), range(6)))
    assert sorted(package.manifest.version for package in packages) == [1, 2, 3, 4, 5, 6]
    repository = ModelRepository(tmp_path)
    for version in repository.versions("clothes"):
        repository.open("clothes", version).check_files()
    assert len([path for path in (tmp_path / "clothes").iterdir() if path.is_dir()]) == 6


def test_a_number_taken_by_a_file_is_passed_over(draft: Draft, tmp_path: Path) -> None:
    """Whoever put it there."""
    (tmp_path / "clothes").mkdir()
    (tmp_path / "clothes" / "1").write_text("mine")
    assert publish(draft, tmp_path, prove=accept).manifest.version == 2
    assert (tmp_path / "clothes" / "1").read_text() == "mine"


def test_a_proof_that_fails_leaves_nothing(draft: Draft, tmp_path: Path) -> None:
    """The package that was proved lay complete in its staging place."""

    def refuse(package: Package) -> None:
        package.check_files()
        raise PublicationFailed("no")

    with pytest.raises(PublicationFailed, match="no"):
        publish(draft, tmp_path, prove=refuse)
    assert list((tmp_path / "clothes").iterdir()) == []


def die(_package: Package) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_what_a_killed_export_leaves_is_not_seen(draft: Draft, tmp_path: Path) -> None:
    """Killed with all files written; the next one publishes as if nothing had been."""
    child = multiprocessing.get_context("spawn").Process(target=publish, args=(draft, tmp_path), kwargs={"prove": die})
    child.start()
    child.join(timeout=60)
    assert child.exitcode == -signal.SIGKILL
    left = list((tmp_path / "clothes").iterdir())
    assert left
    assert all(path.name.startswith(".") for path in left)
    assert ModelRepository(tmp_path).names() == []
    assert publish(draft, tmp_path, prove=accept).manifest.version == 1


def test_a_file_that_cannot_be_written_leaves_nothing(draft: Draft, tmp_path: Path) -> None:
    """The system refuses to let files grow, as it does when the disk is full."""
    resource = pytest.importorskip("resource", reason="needs POSIX resource limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(PublicationFailed, match=r"File too large\. Nothing was published"):
            publish(draft, tmp_path, prove=accept)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "clothes").iterdir()) == []


def test_a_repository_that_is_a_file_is_named(draft: Draft, tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "models").write_text("")
    with pytest.raises(PublicationFailed, match=r"cannot write to .*models.*--to"):
        publish(draft, tmp_path / "models", prove=accept)


def test_the_newest_is_the_highest_whole_one(draft: Draft, tmp_path: Path) -> None:
    """Nothing is newest in an empty repository, nor where the highest is damaged."""
    assert newest(tmp_path, "clothes") is None
    publish(draft, tmp_path, prove=accept)
    second = publish(draft, tmp_path, prove=accept)
    assert newest(tmp_path, "clothes") == second
    (second.path / "card.md").write_text("other")
    assert newest(tmp_path, "clothes") is None


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a b", "-x", "x" * 65, "a\n"])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    """Or that no repository would read."""
    with pytest.raises(NameInvalid, match="cannot be the name of a model"):
        check_name(name)


@pytest.mark.parametrize("name", ["fashion_cnn", "resnet-50", "v1.5", "A" * 64])
def test_a_plain_name_is_accepted(name: str) -> None:
    """Raises nothing."""
    check_name(name)
