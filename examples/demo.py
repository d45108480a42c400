"""The whole main job on real Fashion-MNIST: train → export → serve → classify the 10,000 test images over gRPC.

    make demo

Uses the same commands that a user would. What exists already (the run, the package) is not made again; the test images
are classified anew each time, since the running service is what is shown. Leaves the figures in var/demo.json.
"""

import asyncio
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from recognition_client import AsyncRecognitionClient, Classification, ImageError
from rich.console import Console
from rich.progress import track
from rich.table import Table

from training.checkpoint import Run
from training.data import Images
from training.metrics import Metrics, measure

RECIPE = "fashion_cnn"
RUN = Path("var/runs/fashion_cnn-seed0")
MODELS = Path("var/models")
REPORT = Path("var/demo.json")
COMMANDS = Path(sys.executable).parent
IMAGES_PER_CALL = 1000
LARGEST_SKEW = 0.0005

console = Console(width=None if sys.stdout.isatty() else 110)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the service said of the test images, and how long it took."""

    classifications: list[Classification]
    seconds: float


def main() -> int:
    """Exit code 0 when the service gave every answer and agrees with the offline evaluation."""
    heading("1  Train the course's CNN")
    command("recognition-train", "fit", RECIPE, "--output", RUN)
    heading("2  Export it as a model package")
    command("recognition-export", RUN, "--to", MODELS)
    run = Run.load(RUN)
    test = run.load_splits().test
    heading("3  Serve it, and classify the test images over gRPC")
    with service() as port:
        answers = asyncio.run(classify(test, f"localhost:{port}"))
    served = np.array([answer.predictions[0].index for answer in answers.classifications])
    metrics = measure(
        np.eye(len(run.record.labels), dtype=np.float32)[served], test.labels, names=run.record.labels, split="test"
    )
    heading("4  What came out")
    show(metrics, answers, test, run.record.labels)
    return conclude(metrics, answers, run)


def heading(text: str) -> None:
    console.rule(f"[bold]{text}", align="left")


def command(name: str, *arguments: str | Path) -> None:
    """Runs one of the project's commands as a user would; its failure ends the demo."""
    line = [name, *map(str, arguments)]
    console.print("$", " ".join(line), style="dim", highlight=False, soft_wrap=True)
    code = subprocess.run([str(COMMANDS / name), *line[1:]], check=False).returncode
    if code != 0:
        sys.exit(code)


@contextmanager
def service() -> Iterator[int]:
    """A running service on free ports; yields the gRPC port. Stops it as Kubernetes would."""
    line = ["recognition-serve", "--models", str(MODELS), "--grpc-port", "0", "--http-port", "0", "--metrics-port", "0"]
    console.print("$", " ".join(line), style="dim", highlight=False, soft_wrap=True)
    options = ["--drain-seconds", "0", "--log-format", "json"]
    process = subprocess.Popen(
        [str(COMMANDS / line[0]), *line[1:], *options], stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        yield wait_until_ready(process)
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    if process.returncode != 0:
        sys.exit(f"the service ended with exit code {process.returncode}:\n{log}")
    console.print("The service stopped with exit code 0.")


def wait_until_ready(process: "subprocess.Popen[str]") -> int:
    """Follows the service's log until it says that it is ready."""
    port = 0
    assert process.stderr is not None  # noqa: S101 - it was asked for
    for line in process.stderr:
        try:
            entry: dict[str, Any] = json.loads(line)
        except ValueError:
            sys.exit(f"the service did not start: {line}{process.stderr.read()}")
        match entry["event"]:
            case "ports bound":
                port = int(entry["grpc_port"])
            case "model ready":
                console.print(
                    f"{entry['model']} version {entry['version']} is ready on {entry['provider']}: its golden samples "
                    f"agree with training to {entry['golden_max_abs_difference']:.1e}."
                )
            case "ready":
                return port
    sys.exit("the service ended before it was ready")


async def classify(test: Images, target: str) -> Answers:
    """Sends every test image as a PNG file; any image without an answer ends the demo."""
    files = [png(pixels) for pixels in track(test.pixels, "Encoding as PNG", console=console)]
    classifications: list[Classification] = []
    async with AsyncRecognitionClient(target) as client:
        began = time.monotonic()
        for at in track(range(0, len(files), IMAGES_PER_CALL), "Classifying    ", console=console):
            for outcome in await client.batch_classify(files[at : at + IMAGES_PER_CALL], model=RECIPE, top_k=3):
                if isinstance(outcome, ImageError):
                    sys.exit(f"the service refused a test image: {outcome}")
                classifications.append(outcome)
        seconds = time.monotonic() - began
    return Answers(classifications=classifications, seconds=seconds)


def png(pixels: "np.ndarray[Any, np.dtype[np.uint8]]") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0]).save(buffer, "PNG")
    return buffer.getvalue()


def show(metrics: Metrics, answers: Answers, test: Images, labels: tuple[str, ...]) -> None:
    by_label = Table("label", box=None)
    for column in ("precision", "recall", "F1", "images"):
        by_label.add_column(column, justify="right")
    for row in metrics.per_label:
        by_label.add_row(row.label, f"{row.precision:.2%}", f"{row.recall:.2%}", f"{row.f1:.2%}", str(row.support))
    console.print(by_label)
    first = Table("image", "is", "predicted", "probability", "", box=None)
    for number, answer in enumerate(answers.classifications[:12]):
        best, truth = answer.predictions[0], labels[test.labels[number]]
        first.add_row(
            str(number), truth, best.label, f"{best.probability:.1%}", "" if best.label == truth else "[red]wrong"
        )
    console.print(first)


def conclude(metrics: Metrics, answers: Answers, run: Run) -> int:
    """Writes the report; 1 where the service disagrees with the offline evaluation, 0 where all is well."""
    offline = run.record.metrics["test"].accuracy
    report = {
        "accuracy": metrics.accuracy,
        "offline_accuracy": offline,
        "macro_f1": metrics.macro_f1,
        "images_per_second": metrics.images / answers.seconds,
        "train_seconds": run.record.train_seconds,
        "parameters": run.record.parameters,
    }
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    console.print(
        f"[bold]Accuracy through the running service {metrics.accuracy:.2%}[/] (offline {offline:.2%}), macro-F1 "
        f"{metrics.macro_f1:.2%}, {report['images_per_second']:,.0f} images/s, trained in "
        f"{run.record.train_seconds:.0f} s, {run.record.parameters:,} parameters. The figures are in {REPORT}."
    )
    if abs(metrics.accuracy - offline) > LARGEST_SKEW:
        console.print("[red]What is served is not what was trained: the two accuracies differ.")
        return 1
    console.print("Next: `make serve`, then `.venv/bin/recognition classify IMAGE` in another terminal.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
