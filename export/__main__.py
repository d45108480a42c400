"""The command recognition-export: a finished run in, a published model package out. Only parses, calls and prints.

What it does with packages that are there already is in export/commands.py.
"""

import difflib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from export.commands import add_commands
from export.options import (
    MODELS,
    Again,
    AsJson,
    Key,
    MaxLoss,
    Precisions,
    Repository,
    RunData,
    RunDirectory,
    RunName,
    print_json,
    read_precisions,
)
from training.errors import TrainingError

if TYPE_CHECKING:
    from export.pipeline import Outcome

DEFAULT_COMMAND = "run"


class RunByDefault(TyperGroup):
    """Takes what is not the name of a command for the argument of `run`, so that `recognition-export RUN` works."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = args[0] if args else "--help"
        if first not in self.commands and first not in ctx.help_option_names:
            _check_run(first, tuple(self.commands))
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)


def _check_run(word: str, commands: tuple[str, ...]) -> None:
    """A word that is neither an option nor a path is a mistyped command. Raises CommandUnknown."""
    if word.startswith("-") or os.sep in word or Path(word).exists():
        return
    from export.errors import CommandUnknown

    near = difflib.get_close_matches(word, commands, n=1)
    meant = f"did you mean `{near[0]}`? " if near else ""
    raise CommandUnknown(
        f"{word!r} is no command, and there is no directory of that name with a run; {meant}"
        "`recognition-export --help` names the commands"
    )


app = typer.Typer(
    cls=RunByDefault,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="RUN [OPTIONS]... | COMMAND [ARGS]...",
    epilog="Example: recognition-export var/runs/fashion_cnn-seed0 --to var/models "
    f"(`recognition-export {DEFAULT_COMMAND} --help` lists the options)",
)


@app.callback()
def export() -> None:
    """Turns the finished training run in the directory RUN into a model package that recognition-serve can serve."""


@app.command(
    DEFAULT_COMMAND,
    short_help="Exports RUN; the word `run` itself may be left out.",
    epilog="Example: recognition-export var/runs/fashion_cnn-seed0 --to var/models",
)
def export_command(
    run: RunDirectory,
    to: Repository = MODELS,
    name: RunName = None,
    data: RunData = None,
    again: Again = False,
    precisions: Precisions = "fp32",
    max_accuracy_loss: MaxLoss = 0.5,
    signing_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Exports the finished run in RUN to ONNX, proves it against training and publishes it as the next version.

    A run whose package is already the newest version is not exported again.
    """
    from rich.console import Console

    from export.destination import destination
    from export.pipeline import STEPS, export_run
    from export.progress import ExportProgress
    from export.signing import SigningKey
    from training.checkpoint import Run

    chosen = read_precisions(precisions)
    sign = None if signing_key is None else SigningKey.read(signing_key).sign
    loaded = Run.load(run)
    steps = STEPS + len(chosen) - 1
    with destination(to) as repository, ExportProgress(Console(file=sys.stderr), steps=steps) as progress:
        outcome = export_run(
            loaded,
            repository=repository,
            name=name or loaded.record.family,
            data_directory=data,
            again=again,
            progress=progress,
            precisions=chosen,
            max_accuracy_loss=max_accuracy_loss,
            sign=sign,
        )
        manifest = outcome.package.manifest
        _report(outcome, repository.place(manifest.name, manifest.version), as_json=as_json)


add_commands(app)


def _report(outcome: "Outcome", place: str, *, as_json: bool) -> None:
    package = outcome.package
    manifest = package.manifest
    if as_json:
        report = {
            "published": outcome.published,
            "path": place,
            "digest": package.digest,
            "manifest": manifest.model_dump(mode="json"),
        }
        print_json(report)
    elif outcome.published:
        typer.echo(f"published {manifest.name} version {manifest.version}: {place}")
    else:
        typer.echo(f"already published as version {manifest.version}: {place} (--again publishes it anew)")


def main() -> None:
    """Exit code 0 when done, 1 when it failed, 2 when it was asked wrongly."""
    from export.errors import ExportError

    try:
        app(prog_name="recognition-export")
    except (ExportError, TrainingError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        typer.echo(f"error: {where}{error.strerror or error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
