"""Many runs of several recipes (benchmarks/recipes.py): their order, what becomes of each, and the table."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import recipes
from benchmarks.arguments import Wanted
from benchmarks.recipes import Job, Running, has_results, jobs, line, table, train
from training.recipes import find_recipe

RECORD = {
    "status": "finished",
    "metrics": {"validation": {"accuracy": 0.91}, "test": {"accuracy": 0.9}},
    "epochs": 3,
    "train_seconds": 6.5,
    "data": {"splits": {"train": 1000}},
    "parameters": 1234,
    "recipe": {"batch_size": 100},
    "hardware": {"device": "cpu"},
}
DONE = f"""
import pathlib, sys
place = pathlib.Path(sys.argv[1])
place.mkdir()
(place / "metrics.jsonl").write_text('{{"seconds": 4.0}}\\n{{"seconds": 1.0}}\\n{{"seconds": 2.0}}\\n')
(place / "run.json").write_text({json.dumps(json.dumps(RECORD))})
"""
"""What a run leaves that went well: the first of its three epochs took four seconds."""
BROKEN = "print('much'); print('error: no such data'); raise SystemExit(3)"
ENDLESS = "import time; time.sleep(600)"
STUCK_IN_ITS_REPORT = DONE + ENDLESS

Outcome = dict[str, Any]
Ask = Callable[..., list[Outcome]]


@pytest.fixture
def started() -> list[Running]:
    """The processes in the order in which they were started."""
    return []


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[Running]) -> Ask:
    """Runs jobs whose processes do what the script of their recipe says."""

    def start(job: Job, options: argparse.Namespace) -> Running:
        began = time.monotonic()
        with (options.output / f"{job.name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-S", "-c", scripts[job.recipe], str(options.output / job.name)], stdout=log
            )
        while scripts[job.recipe] == STUCK_IN_ITS_REPORT and not (options.output / job.name / "run.json").is_file():
            time.sleep(0.01)
        started.append(Running(job=job, process=process, began=began))
        return started[-1]

    scripts: dict[str, str] = {}
    monkeypatch.setattr(recipes, "start", start)

    def run(asked: dict[str, str], *, at_once: int = 2, seconds: float = 60.0) -> list[Outcome]:
        scripts.update(asked)
        given = argparse.Namespace(output=tmp_path, at_once=at_once, seconds=seconds)
        return list(train([Job(recipe=name, epochs=3, seed=0) for name in asked], given))

    return run


def outcome(seed: int, **found: Any) -> Outcome:
    figures = {"validation": 91.0, "test": 90.0, "epochs": 3, "train_seconds": 6.0, "seconds": 7.0}
    speed = {"first_epoch_seconds": 4.0, "epoch_seconds": 1.5, "images_per_second": 667}
    sizes = {"parameters": 1234, "batch_size": 100}
    return {"recipe": "resnet18_full", "seed": seed, **figures, **speed, **sizes, **found}


def test_every_recipe_has_its_first_seed_before_any_has_its_second() -> None:
    """So that a trial that is stopped has something of each; epochs are those of all, of the recipe, or its own."""
    asked = [Wanted(recipe="resnet18_full", epochs=20), Wanted(recipe="fashion_cnn", epochs=None)]
    assert [(job.name, job.epochs) for job in jobs(asked, 2, None)][:2] == [
        ("resnet18_full-seed0", 20),
        ("fashion_cnn-seed0", find_recipe("fashion_cnn").epochs),
    ]
    assert [job.name for job in jobs(asked, 2, 5)][2:] == ["resnet18_full-seed1", "fashion_cnn-seed1"]
    assert {job.epochs for job in jobs(asked, 2, 5)} == {5}


def test_a_finished_run_tells_its_figures(ask: Ask) -> None:
    """The first epoch apart, since it chooses kernels; images a second are those of the others."""
    (found,) = ask({"good": DONE})
    assert "failed" not in found
    assert (found["test"], found["validation"]) == (90.0, 91.0)
    assert (found["first_epoch_seconds"], found["epoch_seconds"], found["images_per_second"]) == (4.0, 1.5, 667)
    assert "test 90.00 %" in line(found)


def test_a_run_that_fails_tells_why_and_harms_no_other(ask: Ask) -> None:
    """By the last line that it said."""
    found = {row["recipe"]: row for row in ask({"bad": BROKEN, "good": DONE}, at_once=1)}
    assert found["bad"]["failed"] == "error: no such data"
    assert "failed" not in found["good"]
    assert line(found["bad"]).endswith("FAILED: error: no such data")


def test_at_the_end_of_its_time_what_runs_is_stopped(ask: Ask, started: list[Running]) -> None:
    """And what waits is not begun; neither is forgotten, and no process is left."""
    found = ask({"endless": ENDLESS, "waiting": DONE}, at_once=1, seconds=0.3)
    assert [(row["recipe"], row["failed"]) for row in found] == [
        ("endless", "not finished after 0 s"),
        ("waiting", "not finished after 0 s"),
    ]
    assert [one.process.poll() for one in started] == [-9]


def test_a_run_that_only_lacks_its_report_counts(ask: Ask, started: list[Running], tmp_path: Path) -> None:
    """Its figures are there when it is stopped; those of an older run are not taken for them."""
    found = ask({"late": STUCK_IN_ITS_REPORT}, seconds=0.3)
    assert found[0]["test"] == 90.0
    (one,) = started
    later = Running(job=one.job, process=one.process, began=time.monotonic() + 60.0)
    assert has_results(one, tmp_path)
    assert not has_results(later, tmp_path)


def test_the_table_gives_the_mean_of_the_seeds() -> None:
    """With their spread, beside the target; what failed is left out, and a recipe without any run has its row."""
    found = [outcome(0, test=95.0), outcome(1, test=96.0), outcome(2, failed="no memory")]
    rows = list(table([*found, {"recipe": "lenet5_full", "seed": 0, "failed": "no memory"}]))
    assert rows[2] == "| resnet18_full | 1,234 | 3 | 100 | 2 | 95.50 ± 0.71 % | 95.9 | 91.00 % | 1.50 | 6 |"
    assert rows[3].startswith("| lenet5_full | | | | 0 | none finished | 92.3 |")
    assert {row.count("|") for row in rows} == {11}
