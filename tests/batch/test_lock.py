"""One job for an output; shares of one job side by side."""

import json
import time
from pathlib import Path

import pytest

from batch import lock
from batch.errors import OutputBusy
from batch.lock import held
from batch.share import Share
from batch.store import FolderStore, ObjectStore, open_store

FIRST, SECOND = Share(index=0, of=2), Share(index=1, of=2)


@pytest.fixture(params=["folder", "objects"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FolderStore | ObjectStore:
    if request.param == "folder":
        return FolderStore(tmp_path / "out")
    return open_store(f"memory://lock-test/{tmp_path.name}")


def test_a_second_job_is_refused_and_told_by_whom(store: FolderStore | ObjectStore) -> None:
    with held(store, Share()):
        with pytest.raises(OutputBusy, match=r"is being written by process \d+ on"), held(store, Share()):
            pass
        with pytest.raises(OutputBusy), held(store, FIRST):
            pass
    with held(store, Share()):
        pass


def test_shares_of_one_job_run_side_by_side(store: FolderStore | ObjectStore) -> None:
    with held(store, FIRST), held(store, SECOND):
        with pytest.raises(OutputBusy), held(store, FIRST):
            pass
        with pytest.raises(OutputBusy), held(store, Share()):
            pass


def test_a_lease_that_nobody_renews_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store("memory://lock-test/stale")
    assert isinstance(store, ObjectStore)
    stale = {"owner": "process 1 on away", "token": "0", "renewed": time.time() - lock.LEASE_SECONDS - 1}
    store.fs.pipe_file(f"{store.prefix}/.lock", json.dumps(stale).encode())
    with held(store, Share()):
        holder = lock.read_lease(store, f"{store.prefix}/.lock")
        assert holder is not None
        assert holder["owner"] != stale["owner"]
    assert store.names() == set()


def test_a_lease_is_renewed_while_the_job_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.02)
    store = open_store("memory://lock-test/renewed")
    assert isinstance(store, ObjectStore)
    with held(store, Share()):
        first = lock.read_lease(store, f"{store.prefix}/.lock")
        end = time.monotonic() + 10
        while lock.read_lease(store, f"{store.prefix}/.lock") == first and time.monotonic() < end:
            time.sleep(0.01)
        assert lock.read_lease(store, f"{store.prefix}/.lock") != first
