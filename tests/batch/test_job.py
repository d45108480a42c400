"""A job from beginning to end, with an engine whose answers are known."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.dataset
import pytest
from rich.console import Console

from batch.errors import OutputFailed, PlanChanged, SourceInvalid
from batch.item import Chunk
from batch.job import Job, JobSettings, Outcome
from batch.plan import Question
from batch.share import Share
from batch.store import FolderStore, Step
from tests.batch.conftest import said, write_names
from tests.batch.fake_engine import MODEL, FakeEngine

NAMES = [f"{folder}/{number:03d}.png" for folder in "ab" for number in range(50)]


@pytest.fixture
def settings(tmp_path: Path) -> JobSettings:
    source = write_names(tmp_path / "in", NAMES)
    return JobSettings(source=str(source), question=Question(top_k=2), shard_size=30)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(settings: JobSettings, out: Path, console: Console, engine: FakeEngine | None = None) -> Outcome:
    return Job(settings, engine or FakeEngine(), FolderStore(out), console).run()


def content(out: Path) -> dict[str, bytes]:
    """Everything that does not depend on the time."""
    return {
        path.name: path.read_bytes()
        for path in out.iterdir()
        if not path.name.startswith((".", "_summary")) and path.is_file()
    }


def test_one_row_for_each_image_in_order(settings: JobSettings, out: Path, console: Console) -> None:
    """Any reader of Parquet takes the folder as a data set; what is not rows begins with an underscore."""
    outcome = run(settings, out, console)
    assert (outcome.plan.images, outcome.plan.shards, outcome.shards_done, outcome.errors) == (100, 4, 4, 0)
    table = pyarrow.dataset.dataset(out).to_table()
    assert table.column("id").to_pylist() == NAMES
    assert table.column("label_1").to_pylist() == [name[-5] for name in NAMES]
    assert {path.name for path in out.iterdir() if not path.name.startswith(("part-", "."))} == {
        "_listing.parquet",
        "_plan.json",
        "_summary.html",
        "_summary.json",
    }


def test_the_same_job_writes_the_same_bytes(settings: JobSettings, out: Path, console: Console, tmp_path: Path) -> None:
    """Whatever the number of workers."""
    run(settings, out, console)
    run(settings, tmp_path / "again", console, FakeEngine(workers=5))
    assert content(out) == content(tmp_path / "again")


def test_finished_shards_are_not_done_again(settings: JobSettings, out: Path, console: Console) -> None:
    run(settings, out, console)
    before = content(out)
    (out / "part-00002.parquet").unlink()
    engine = FakeEngine()
    outcome = run(settings, out, console, engine)
    assert {chunk.shard for chunk in engine.chunks} == {2}
    assert outcome.shards_done == 1
    assert outcome.summary is not None
    assert (outcome.summary.images, outcome.summary.images_this_run) == (100, 30)
    assert content(out) == before
    done = FakeEngine()
    assert run(settings, out, console, done).shards_done == 0
    assert done.chunks == []


def test_a_failing_engine_leaves_whole_shards(settings: JobSettings, out: Path, console: Console) -> None:
    """The engine is closed, the lock is free, and the next run goes on where this one stopped."""

    def fail(chunk: Chunk) -> None:
        if chunk.shard == 2:
            raise OSError(5, "Input/output error")

    broken = FakeEngine(workers=1, before=fail)
    with pytest.raises(OSError, match="Input/output"):
        run(settings, out, console, broken)
    assert broken.closed
    assert set(content(out)) == {"_listing.parquet", "_plan.json", "part-00000.parquet", "part-00001.parquet"}
    engine = FakeEngine()
    run(settings, out, console, engine)
    assert {chunk.shard for chunk in engine.chunks} == {2, 3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: replace(s, shard_size=10), "shard_size was 30 and is 10"),
        (lambda s: replace(s, question=Question(top_k=3)), "top_k was 2 and is 3"),
    ],
)
def test_other_settings_are_refused(
    settings: JobSettings, out: Path, console: Console, change: Callable[[JobSettings], JobSettings], words: str
) -> None:
    run(settings, out, console)
    before = content(out)
    with pytest.raises(PlanChanged, match=words):
        run(change(settings), out, console)
    assert content(out) == before


def test_another_model_is_refused_until_the_job_begins_anew(settings: JobSettings, out: Path, console: Console) -> None:
    run(settings, out, console)
    other = replace(MODEL, version=4, digest="e" * 64)
    with pytest.raises(PlanChanged, match=r"model version was 3 and is 4; model digest was .* --restart"):
        run(settings, out, console, FakeEngine(model=other))
    run(replace(settings, restart=True), out, console, FakeEngine(model=other))
    assert set(pyarrow.dataset.dataset(out).to_table().column("version").to_pylist()) == {4}


def test_a_source_that_changed_is_refused_with_an_example(settings: JobSettings, out: Path, console: Console) -> None:
    run(settings, out, console)
    (Path(settings.source) / "b" / "999.png").write_bytes(b"x")
    with pytest.raises(PlanChanged, match=r"the source has changed: 1 added \(b/999.png\)"):
        run(settings, out, console)


def test_beginning_anew_removes_what_a_job_wrote_and_nothing_else(
    settings: JobSettings, out: Path, console: Console
) -> None:
    run(settings, out, console)
    (out / "mine.txt").write_text("kept")
    run(replace(settings, shard_size=100, restart=True), out, console)
    assert [path.name for path in sorted(out.glob("part-*"))] == ["part-00000.parquet"]
    assert (out / "mine.txt").read_text() == "kept"


def test_parts_of_something_else_are_not_touched(settings: JobSettings, out: Path, console: Console) -> None:
    out.mkdir()
    (out / "part-00000.parquet").write_bytes(b"of something else")
    with pytest.raises(PlanChanged, match=r"without a _plan\.json; choose an empty output"):
        run(replace(settings, restart=True), out, console)
    assert (out / "part-00000.parquet").read_bytes() == b"of something else"


def test_shares_make_the_same_output_as_one_job(
    settings: JobSettings, out: Path, console: Console, tmp_path: Path
) -> None:
    """Only the last of them finds all parts there, and writes the summary."""
    run(settings, out, console)
    together = tmp_path / "together"
    outcomes = [run(replace(settings, share=Share(index=i, of=3)), together, console) for i in (2, 0, 1)]
    assert [outcome.summary is None for outcome in outcomes] == [True, True, False]
    assert content(together) == content(out)


def test_more_shares_than_shards(settings: JobSettings, out: Path, console: Console) -> None:
    """A share may be empty."""
    assert run(replace(settings, share=Share(index=9, of=10)), out, console).shards_done == 0


def test_a_full_disk_stops_the_job_with_whole_shards(settings: JobSettings, out: Path, console: Console) -> None:
    """At any step of any file: what is there is whole, and afterwards the job goes on."""
    run(settings, out, console)
    expected = content(out)
    for number, step in enumerate((Step.BEGUN, Step.ASIDE, Step.SYNCED, Step.ASIDE)):
        left = [number]

        def reached(now: Step, _name: str, left: list[int] = left, step: Step = step) -> None:
            if now is step:
                left[0] -= 1
                if left[0] < 0:
                    raise OSError(28, "No space left on device")

        place = out.parent / f"full-{number}"
        with pytest.raises(OutputFailed, match="No space left"):
            Job(settings, FakeEngine(), FolderStore(place, reached), console).run()
        assert content(place).items() <= expected.items()
        assert not list(place.glob(".*aside"))
        run(settings, place, console)
        assert content(place) == expected


def test_errors_are_counted_and_said(tmp_path: Path, out: Path, console: Console) -> None:
    source = write_names(tmp_path / "bad", ["1.png", "2x.png", "3.png"])
    outcome = run(JobSettings(source=str(source), question=Question()), out, console)
    assert outcome.errors == 1
    assert outcome.summary is not None
    assert outcome.summary.reasons == {"IMAGE_UNREADABLE": 1}


def test_no_images(tmp_path: Path, out: Path, console: Console) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceInvalid):
        run(JobSettings(source=str(tmp_path / "empty"), question=Question()), out, console)
    assert content(out) == {}


def test_the_plan_holds_nothing_of_the_time(settings: JobSettings, out: Path, console: Console) -> None:
    run(settings, out, console)
    plan = json.loads((out / "_plan.json").read_bytes())
    assert plan["images"] == 100
    assert str(os.getpid()) not in plan
    assert said(console) == ""
