"""What the command shows on a terminal and elsewhere."""

import io
import json
from pathlib import Path

import grpc
import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition_client.display import (
    classification_record,
    printable,
    show_classification,
    show_json,
    show_line,
    show_models,
)
from recognition_client.models import model_info
from recognition_client.results import Classification, ImageError, Prediction, ServedModel
from rich.console import Console

ESCAPE = "\x1b[31mred\x1b[0m"


def answer(*, unknown: bool = False, label: str = "Ankle boot") -> Classification:
    predictions = (
        Prediction(index=9, label=label, probability=0.9981),
        Prediction(index=7, label="Sneaker", probability=0.0015),
    )
    return Classification(
        predictions=predictions, unknown=unknown, model=ServedModel(name="fashion_cnn", version=3, digest="d" * 64)
    )


def shown(show: object, *arguments: object, terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=100, color_system=None)
    assert callable(show)
    show(console, *arguments)
    return file.getvalue()


def test_elsewhere_an_answer_is_one_plain_line() -> None:
    """The path, then the labels, best first."""
    line = shown(show_classification, Path("a.png"), answer(), terminal=False)
    assert line == "a.png: Ankle boot 99.81%, Sneaker 0.15%\n"


def test_a_long_line_is_not_broken() -> None:
    """Whoever reads it counts lines."""
    line = shown(show_classification, Path("x" * 300), answer(), terminal=False)
    assert line.count("\n") == 1


def test_an_unknown_answer_says_so() -> None:
    """On a line and on a terminal."""
    line = shown(show_classification, Path("a.png"), answer(unknown=True), terminal=False)
    assert line == "a.png: unknown; best guesses Ankle boot 99.81%, Sneaker 0.15%\n"
    assert "below the confidence threshold" in shown(
        show_classification, Path("a.png"), answer(unknown=True), terminal=True
    )


def test_on_a_terminal_probabilities_are_bars() -> None:
    """Longer for more."""
    title, best, other = shown(show_classification, Path("a.png"), answer(), terminal=True).splitlines()
    assert title == "a.png  fashion_cnn version 3"
    assert best.startswith("  Ankle boot")
    assert best.count("█") > 25
    assert other.count("█") == 0
    assert "0.15%" in other


@pytest.mark.parametrize("terminal", [False, True])
def test_names_cannot_steer_the_terminal(terminal: bool) -> None:
    """Neither escape codes nor markup of a label or file name take effect; a line stays a line."""
    text = shown(
        show_classification, Path(f"a\nb{ESCAPE}.png"), answer(label=f"[bold]{ESCAPE}\udcff"), terminal=terminal
    )
    assert "\x1b[31m" not in text
    assert "[bold]" in text
    assert "a\N{REPLACEMENT CHARACTER}b" in text
    assert "\udcff" not in text


def test_what_can_be_printed_is_left_as_it_is() -> None:
    """Names are not only ASCII."""
    assert printable("ein Schuh.png \N{CJK UNIFIED IDEOGRAPH-978B}") == "ein Schuh.png \N{CJK UNIFIED IDEOGRAPH-978B}"
    assert shown(show_line, "[red]a.png", terminal=True) == "[red]a.png\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_models_are_shown_with_state_and_accuracy(terminal: bool) -> None:
    """One line each, or a table; a refused version with the reason."""
    ready = pb.Model(
        name="fashion_cnn",
        version=3,
        aliases=["stable"],
        state=pb.MODEL_STATE_READY,
        labels=["coat", "shoe"],
        precision="fp32",
        provider="CPUExecutionProvider",
        accuracy=0.9123,
        metrics_split="test",
    )
    failed = pb.Model(name="lenet", version=1, state=pb.MODEL_STATE_FAILED, state_reason="model.onnx was changed")
    text = shown(show_models, [model_info(ready), model_info(failed)], terminal=terminal)
    if not terminal:
        assert text.splitlines() == [
            "fashion_cnn version 3 (stable): READY, 2 labels, fp32 on CPUExecutionProvider, 91.23% (test)",
            "lenet version 1: FAILED: model.onnx was changed",
        ]
    for fact in ("fashion_cnn", "stable", "READY", "lenet", "FAILED", "91.23%"):
        assert fact in text


def test_json_is_one_line_whatever_it_holds() -> None:
    """Also on a narrow terminal."""
    record = classification_record(Path("a.png"), answer(label="x" * 300))
    text = shown(show_json, record, terminal=True)
    assert text.count("\n") == 1
    assert json.loads(text) == {
        "path": "a.png",
        "predictions": [
            {"index": 9, "label": "x" * 300, "probability": 0.9981},
            {"index": 7, "label": "Sneaker", "probability": 0.0015},
        ],
        "unknown": False,
        "model": {"name": "fashion_cnn", "version": 3, "digest": "d" * 64, "precision": ""},
    }


def test_an_error_as_json_says_why() -> None:
    """Code, reason, sentence and metadata."""
    error = ImageError(code=grpc.StatusCode.INVALID_ARGUMENT, reason="R", message="No.", metadata={"limit": "8"})
    assert classification_record(Path("a.png"), error) == {
        "path": "a.png",
        "error": {"code": "INVALID_ARGUMENT", "reason": "R", "message": "No.", "metadata": {"limit": "8"}},
    }
