"""How the command shows results: bars and tables on a terminal, one plain line for each otherwise, or JSON lines."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.bar import Bar
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recognition_client.explanations import Explanation
from recognition_client.models import ModelInfo, ModelState
from recognition_client.results import Classification, ImageError

_BAR_WIDTH = 30
_STATE_STYLES = {ModelState.READY: "green", ModelState.FAILED: "red"}


def printable(text: str | Path) -> str:
    """The text on one line, with no character that could steer the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(text))


def show_line(console: Console, line: str) -> None:
    console.out(printable(line), highlight=False)


def show_json(console: Console, record: dict[str, Any]) -> None:
    """One object on one line."""
    console.out(json.dumps(record), highlight=False)


def show_classification(console: Console, path: Path, answer: Classification) -> None:
    if not console.is_terminal:
        labels = ", ".join(f"{p.label} {p.probability:.2%}" for p in answer.predictions)
        show_line(console, f"{path}: {'unknown; best guesses ' if answer.unknown else ''}{labels}")
        return
    title = Text(printable(path), style="bold")
    title.append(f"  {printable(answer.model.name)} version {answer.model.version}", style="not bold dim")
    if answer.unknown:
        title.append("  unknown: below the confidence threshold", style="not bold yellow")
    bars = Table.grid(padding=(0, 2, 0, 0))
    for prediction in answer.predictions:
        bar = Bar(1.0, 0.0, prediction.probability, width=_BAR_WIDTH, color="yellow" if answer.unknown else "green")
        bars.add_row(Text(f"  {printable(prediction.label)}"), bar, Text(f"{prediction.probability:.2%}"))
    console.print(title, soft_wrap=True)
    console.print(bars)


def show_explanation(console: Console, output: Path, found: Explanation) -> None:
    how = found.method.lower().replace("_", " ")
    answer = f"{found.prediction.label} {found.prediction.probability:.2%}"
    show_line(console, f"{output}: {answer}, by {how}, {found.model.name} version {found.model.version}")


def show_models(console: Console, models: Sequence[ModelInfo]) -> None:
    if not console.is_terminal:
        for model in models:
            show_line(console, _model_line(model))
        return
    table = Table("Model", "Version", "Aliases", "State", "Labels", "Input", "Runs as", "Accuracy", title="Models")
    for model in models:
        state = Text(_state(model), style=_STATE_STYLES.get(model.state, "yellow"))
        table.add_row(
            Text(printable(model.name)),
            str(model.version),
            Text(printable(", ".join(model.aliases))),
            state,
            str(len(model.labels)),
            f"{model.input_height}×{model.input_width}×{model.input_channels}",
            Text(_runs_as(model)),
            Text(_accuracy(model)),
        )
    console.print(table)


def classification_record(path: Path, outcome: Classification | ImageError) -> dict[str, Any]:
    """One outcome as JSON: either the answer or, under `error`, why there is none."""
    if isinstance(outcome, ImageError):
        error = {"code": outcome.code.name, "reason": outcome.reason, "message": outcome.message}
        return {"path": str(path), "error": error | {"metadata": dict(outcome.metadata)}}
    return {"path": str(path)} | asdict(outcome)


def explanation_record(path: Path, output: Path, found: Explanation) -> dict[str, Any]:
    """A heat map as JSON; the picture of it is the file `output`."""
    record = asdict(found)
    del record["overlay_png"]
    return {"path": str(path), "output": str(output)} | record


def _model_line(model: ModelInfo) -> str:
    aliases = f" ({', '.join(model.aliases)})" if model.aliases else ""
    labels = f"{len(model.labels)} labels" if model.labels else ""
    facts = [_state(model), labels, _runs_as(model), _accuracy(model)]
    return f"{model.name} version {model.version}{aliases}: {', '.join(fact for fact in facts if fact)}"


def _state(model: ModelInfo) -> str:
    return printable(f"{model.state}: {model.state_reason}" if model.state_reason else model.state)


def _runs_as(model: ModelInfo) -> str:
    precisions = ", ".join(model.precisions) or model.precision
    return printable(f"{precisions} on {model.provider}") if model.provider else ""


def _accuracy(model: ModelInfo) -> str:
    return printable(f"{model.accuracy:.2%} ({model.metrics_split})") if model.metrics_split else ""
