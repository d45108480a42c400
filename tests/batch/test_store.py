"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from batch.errors import OutputFailed
from batch.store import ASIDE, FolderStore, ObjectStore, Step, open_store


def fill(path: Path) -> None:
    path.write_bytes(b"content")


def test_every_step_is_told_in_its_order(tmp_path: Path) -> None:
    """What is not renamed yet cannot be seen."""
    seen: list[tuple[Step, bool]] = []
    store = FolderStore(tmp_path, lambda step, name: seen.append((step, name in store.names())))
    store.write("a", fill)
    assert seen == [
        (Step.BEGUN, False),
        (Step.ASIDE, False),
        (Step.SYNCED, False),
        (Step.RENAMED, True),
        (Step.KEPT, True),
    ]
    assert (store.names(), store.read("a")) == ({"a"}, b"content")
    with store.fetched("a") as path:
        assert path.read_bytes() == b"content"


def test_a_failure_leaves_nothing_aside_and_the_old_file_whole(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write("a", fill)

    def half(path: Path) -> None:
        path.write_bytes(b"con")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputFailed, match=r"No space left on device. Mend that and run the same command again"):
        store.write("a", half)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert store.read("a") == b"content"


def test_what_a_killed_job_left_aside_is_swept(tmp_path: Path) -> None:
    (tmp_path / f".part-00000.parquet.17{ASIDE}").write_bytes(b"half")
    (tmp_path / ".lock").write_bytes(b"")
    FolderStore(tmp_path).sweep()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputFailed, match="cannot be written"):
        FolderStore(tmp_path / "file" / "out")


def test_object_storage() -> None:
    store = open_store("memory://store-test/out")
    assert isinstance(store, ObjectStore)
    assert store.names() == set()
    store.write("a", fill)
    store.write("b", fill)
    assert store.names() == {"a", "b"}
    assert store.read("a") == b"content"
    with store.fetched("a") as path:
        assert path.read_bytes() == b"content"
    store.remove({"a"})
    assert store.names() == {"b"}
