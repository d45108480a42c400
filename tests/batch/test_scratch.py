"""The scratch folder of a job (batch/scratch.py)."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from batch.scratch import IN_USE, PREFIX, YOUNG_SECONDS, scratch_folder

HOLDS = (
    "import sys; from batch.scratch import scratch_folder\nwith scratch_folder() as f: print(f, flush=True); input()"
)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def make_old(folder: Path) -> None:
    before = time.time() - 2 * YOUNG_SECONDS
    os.utime(folder / IN_USE, (before, before))


def test_it_is_there_for_as_long_as_the_job(root: Path) -> None:
    """And for nobody else, whatever name it has."""
    with scratch_folder() as folder:
        assert folder.parent == root
        make_old(folder)
        with scratch_folder() as other:
            assert folder != other
            assert folder.is_dir()
    assert list(root.iterdir()) == []


def test_what_a_killed_job_left_goes_when_the_next_begins(root: Path) -> None:
    """Not before its process has ended."""
    job = subprocess.Popen(
        [sys.executable, "-c", HOLDS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(root)},
    )
    assert job.stdout is not None
    folder = Path(job.stdout.readline().strip())
    (folder / "listing").write_text("much")
    make_old(folder)
    with scratch_folder():
        assert folder.is_dir()
    job.kill()
    job.communicate()
    with scratch_folder():
        assert not folder.exists()


def test_what_is_young_or_not_a_job_s_stays(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A folder that another job is just making, one without the file, a link to elsewhere."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / IN_USE).touch()
    make_old(elsewhere)
    young, bare, link, file = (root / f"{PREFIX}{name}" for name in ("young", "bare", "link", "file"))
    young.mkdir()
    (young / IN_USE).touch()
    bare.mkdir()
    link.symlink_to(elsewhere)
    file.touch()
    with scratch_folder():
        assert all(path.exists() for path in (young, bare, link, file, elsewhere / IN_USE))
