"""The command `recognition-train compare`: two runs on the same test images."""

from pathlib import Path
from typing import Annotated

import typer

from training.options import JsonOption, print_json


def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="Directory of a finished run.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another one, tested on the same images.")],
    as_json: JsonOption = False,
) -> None:
    """Counts the test images that only one of two runs gets right; McNemar's exact test says if that is chance."""
    from training.checkpoint import Run
    from training.comparison import compare_runs
    from training.typed_json import encode

    found = compare_runs(Run.load(run_a), Run.load(run_b))
    if as_json:
        print_json({"run_a": str(run_a), "run_b": str(run_b), **encode(found)})
        return
    typer.echo(f"{run_a}: {found.accuracy_a:.2%}   {run_b}: {found.accuracy_b:.2%}   ({found.images:,} images)")
    typer.echo(f"right in one only: {found.only_a:,} and {found.only_b:,}; McNemar p = {found.p_value:.3g}")
    typer.echo(found.verdict)
