"""Recipes with several seeds through `recognition-train fit`, some processes at once: accuracy, time and images/s.

The first seeds come first, the recipes of a seed as they are given: best the longest first. A run that is finished in
--output is read, not trained anew; at --seconds what still runs is stopped, and everything that was finished is in the
table. It ends with 1 where a run failed or was not finished. Without a GPU, `--device cpu` tries the script itself.

Example: .venv/bin/python benchmarks/recipes.py fashion_cnn_full resnet18_full:20 --seeds 3 --at-once 4 --seconds 300
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # run as a script, `import training` would find another file of that name

from benchmarks.arguments import Wanted, count, duration, wanted  # noqa: E402 - the path comes first
from training.device import choose_device  # noqa: E402
from training.errors import DeviceMissing  # noqa: E402
from training.recipes import find_recipe  # noqa: E402

TARGETS = {
    "fashion_cnn_full": 92.6,
    "lenet5_1998_full": 91.3,
    "lenet5_full": 92.3,
    "alexnet_2012_full": 94.0,
    "alexnet_full": 94.0,
    "nin_full": 94.8,
    "vgg16_bn_full": 95.6,
    "googlenet_full": 95.4,
    "inception_v3_full": 95.4,
    "resnet20_full": 95.65,
    "resnet18_full": 95.9,
    "resnet50_full": 95.8,
    "wrn_16_8_full": 96.15,
    "wrn_28_10_full": 96.15,
    "densenet_bc_100_12_full": 95.6,
}
"""Per cent of the test pictures, as the mean of three seeds; they were set for schedules of 60 to 300 epochs."""
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run that is wanted."""

    recipe: str
    epochs: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.recipe}-seed{self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    job: Job
    process: subprocess.Popen[bytes]
    began: float


def jobs(recipes: list[Wanted], seeds: int, epochs: int | None) -> list[Job]:
    """Each recipe with each seed, in the order in which they are started."""
    return [
        Job(recipe=one.recipe, epochs=epochs or one.epochs or find_recipe(one.recipe).epochs, seed=seed)
        for seed in range(seeds)
        for one in recipes
    ]


def start(job: Job, options: argparse.Namespace) -> Running:
    given = ["--seed", job.seed, "--epochs", job.epochs, "--output", options.output / job.name, "--json"]
    given += ["--device", options.device, "--threads", options.threads]
    given += ["--data", options.data.resolve()] if options.data else []
    given += ["--limit", options.limit] if options.limit else []
    given += ["--no-graph"] if options.no_graph else []
    with (options.output / f"{job.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "training", "fit", job.recipe, *map(str, given)],
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": str(options.threads), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    return Running(job=job, process=process, began=time.monotonic())


def train(asked: list[Job], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rows as the runs end; whoever takes them may stop at any time without a process left behind."""
    end = time.monotonic() + options.seconds
    waiting, running = list(asked), list[Running]()
    try:
        while (waiting or running) and time.monotonic() < end:
            while waiting and len(running) < options.at_once:
                running.append(start(waiting.pop(0), options))
            time.sleep(POLL_SECONDS)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                yield row(one, options.output)
    finally:
        for one in running:
            one.process.kill()
            one.process.wait()
    late = [one for one in running if not has_results(one, options.output)]
    yield from (measured(one, options.output) for one in running if one not in late)
    for job in [one.job for one in late] + waiting:
        yield {"recipe": job.recipe, "seed": job.seed, "failed": f"not finished after {options.seconds:.0f} s"}


def has_results(one: Running, output: Path) -> bool:
    """Whether a run that was stopped had written its figures: only its report is missing then."""
    record = output / one.job.name / "run.json"
    began = time.time() - (time.monotonic() - one.began)
    if not record.is_file() or record.stat().st_mtime < began:
        return False
    return bool(json.loads(record.read_text())["status"] == "finished")


def row(one: Running, output: Path) -> dict[str, Any]:
    """What the run directory says of a finished run, or the last line of its log."""
    if one.process.returncode:
        lines = (output / f"{one.job.name}.log").read_text(errors="replace").strip().splitlines()
        failed = lines[-1] if lines else f"exit code {one.process.returncode}"
        return {"recipe": one.job.recipe, "seed": one.job.seed, "failed": failed}
    return measured(one, output)


def measured(one: Running, output: Path) -> dict[str, Any]:
    record = json.loads((output / one.job.name / "run.json").read_text())
    lines = (output / one.job.name / "metrics.jsonl").read_text().splitlines()
    epochs = [json.loads(line)["seconds"] for line in lines]
    settled = statistics.median(epochs[1:] or epochs)  # the first one chooses kernels and records graphs
    return {
        "recipe": one.job.recipe,
        "seed": one.job.seed,
        "validation": 100 * record["metrics"]["validation"]["accuracy"],
        "test": 100 * record["metrics"]["test"]["accuracy"],
        "epochs": record["epochs"],
        "train_seconds": record["train_seconds"],
        "seconds": round(time.monotonic() - one.began, 1),
        "first_epoch_seconds": round(epochs[0], 3),
        "epoch_seconds": round(settled, 3),
        "images_per_second": round(record["data"]["splits"]["train"] / settled),
        "parameters": record["parameters"],
        "batch_size": record["recipe"]["batch_size"],
        "hardware": record["hardware"],
    }


def line(found: dict[str, Any]) -> str:
    head = f"{found['recipe']:24} seed {found['seed']}  "
    if "failed" in found:
        return f"{head}FAILED: {found['failed']}"
    return (
        f"{head}validation {found['validation']:.2f} %  test {found['test']:.2f} %  {found['epochs']} epochs in "
        f"{found['train_seconds']:.1f} s of {found['seconds']:.1f}  first {found['first_epoch_seconds']:.2f}, then "
        f"{found['epoch_seconds']:.3f} s each: {found['images_per_second']:,} images/s"
    )


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| recipe | parameters | epochs | batch | seeds | test accuracy | target | validation | s an epoch | s |"
    yield "|---|---:|---:|---:|---:|---|---:|---:|---:|---:|"
    for name in dict.fromkeys(found["recipe"] for found in rows):
        done = [found for found in rows if found["recipe"] == name and "failed" not in found]
        if not done:
            yield f"| {name} | | | | 0 | none finished | {TARGETS.get(name, '–')} | | | |"
            continue
        tests = [found["test"] for found in done]
        spread = f" ± {statistics.stdev(tests):.2f}" if len(tests) > 1 else ""
        validation, each, whole = (
            statistics.mean(found[key] for found in done) for key in ("validation", "epoch_seconds", "train_seconds")
        )
        yield (
            f"| {name} | {done[0]['parameters']:,} | {done[0]['epochs']} | {done[0]['batch_size']} | {len(done)} | "
            f"{statistics.mean(tests):.2f}{spread} % | {TARGETS.get(name, '–')} | {validation:.2f} % | {each:.2f} | "
            f"{whole:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", type=wanted, metavar="NAME", help="or NAME:EPOCHS, with its own epochs")
    parser.add_argument("--seeds", type=count, default=3, help="so many runs of each recipe: 0, 1, …")
    parser.add_argument("--epochs", type=count, help="of every run: a trial")
    parser.add_argument("--limit", type=count, help="trial: so many training images")
    parser.add_argument("--at-once", type=count, default=4, help="processes")
    parser.add_argument("--threads", type=count, default=2, help="of each process")
    parser.add_argument("--seconds", type=duration, default=3600, help="for all of it")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu tries the script itself")
    parser.add_argument("--no-graph", action="store_true", help="steps are sent operation by operation")
    parser.add_argument("--data", type=Path, help="directory of the data set")
    parser.add_argument("--output", type=Path, default=ROOT / "var" / "benchmarks" / "recipes", help="run directories")
    parser.add_argument("--json", type=Path, help="file for all rows")
    options = parser.parse_args()
    try:
        choose_device(options.device)
    except DeviceMissing:
        parser.error("torch finds no CUDA device on this machine; --device cpu tries the script itself")
    options.output = options.output.resolve()  # the processes run elsewhere
    options.output.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    rows = []
    for found in train(jobs(options.recipes, options.seeds, options.epochs), options):
        rows.append(found)
        print(f"{time.monotonic() - began:6.1f} s  {line(found)}", flush=True)
        if options.json:
            options.json.write_text(json.dumps({"at_once": options.at_once, "rows": rows}, indent=1) + "\n")
    print("\n".join(table(rows)))
    print(f"{time.monotonic() - began:.0f} s in all, {options.at_once} processes at once")
    sys.exit(any("failed" in found for found in rows))


if __name__ == "__main__":
    main()
