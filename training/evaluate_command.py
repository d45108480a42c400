"""The command `recognition-train evaluate`: a finished run on its own test images, or on others with its labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.options import (
    DataOption,
    Device,
    DeviceOption,
    JsonOption,
    ThreadsOption,
    choose,
    console_for,
    print_json,
)

if TYPE_CHECKING:
    from training.checkpoint import Run
    from training.data import Images


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a finished run.")],
    data: DataOption = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Other pictures than the run's, with its labels: folder, manifest or a set's name."),
    ] = None,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predicts the test images anew from the weights of RUN and prints what they reach.

    Of other pictures (--dataset folder --data DIR) those count that are said to be for a test, or all where none are.
    """
    from training.checkpoint import Run
    from training.evaluate import predict
    from training.quality import assess
    from training.tables import metrics_report
    from training.typed_json import encode

    chosen = choose(device, threads)
    loaded = Run.load(run)
    images = loaded.load_splits(data).test if dataset is None else _other_images(loaded, dataset, data)
    predictions = predict(loaded.build_model().to(chosen), images, loaded.record.preprocessing)
    metrics = predictions.metrics(names=loaded.record.labels, split="test")
    quality = assess(metrics, (predictions.logits, predictions.labels), loaded.predictions("validation"))
    if as_json:
        print_json({"run": str(run), "digest": loaded.digest, "metrics": encode(metrics), "quality": encode(quality)})
    else:
        console_for().print(metrics_report(metrics, quality))


def _other_images(run: "Run", name: str, place: Path | None) -> "Images":
    from training.data import load_test

    images, notes = load_test(name, place, run.record.preprocessing, labels=run.record.labels)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    return images
