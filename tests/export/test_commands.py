"""The commands for what is published, and for models from elsewhere (export/commands.py)."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from export.__main__ import main
from export.draft import Draft
from export.graph import to_bytes
from export.publish import publish
from service.models.repository import Package
from tests.export.foreign_models import LABELS, classifier, write_pictures


def accept(_package: Package) -> None:
    """For tests that are not about the proof."""


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    def call(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["recognition-export", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        captured = capfd.readouterr()
        return Result(int(str(code or 0)), captured.out, captured.err)

    return call


@pytest.fixture
def root(draft: Draft, tmp_path: Path) -> Path:
    for _ in range(3):
        publish(draft, tmp_path, prove=accept)
    return tmp_path


def test_an_alias_is_set_listed_and_protects(command: Callable[..., Result], root: Path) -> None:
    """Lines for people, JSON for programs."""
    assert command("alias", "clothes", "stable", "1", "--to", root).out == "clothes: stable -> 1\n"
    lines = command("list", "--to", root).out.splitlines()
    assert [line.split()[:2] for line in lines] == [["clothes", "1"], ["clothes", "2"], ["clothes", "3"]]
    assert "(stable)" in lines[0]
    assert json.loads(command("prune", "clothes", "--keep", "1", "--to", root, "--json").out) == {"removed": [2]}
    rows = json.loads(command("list", "--to", root, "--json").out)
    assert [(row["version"], row["aliases"]) for row in rows] == [(1, ["stable"]), (3, [])]


def test_a_version_is_shown(command: Callable[..., Result], root: Path, draft: Draft) -> None:
    """Its variants and its card, or the manifest."""
    shown = command("show", "clothes", "2", "--to", root).out
    assert shown.startswith("clothes version 2, digest ")
    assert draft.files["card.md"].decode() in shown
    assert json.loads(command("show", "clothes", "2", "--to", root, "--json").out)["manifest"]["version"] == 2


def test_an_alias_stands_for_its_version(command: Callable[..., Result], root: Path) -> None:
    """Where a version is shown, compared or signed."""
    command("alias", "clothes", "stable", "2", "--to", root)
    assert command("show", "clothes", "stable", "--to", root).out.startswith("clothes version 2, digest ")
    compared = json.loads(command("diff", "clothes", "stable", "3", "--to", root, "--json").out)
    assert compared["versions"] == [2, 3]
    command("keygen", root / "release")
    key = ("--signing-key", root / "release.key", "--to", root)
    assert command("sign", "clothes", "stable", *key).out.startswith("clothes version 2, digest ")
    unknown = command("show", "clothes", "newest", "--to", root)
    assert unknown.code == 1
    assert "no version and no alias 'newest'; it has 1, 2, 3, stable" in unknown.err


def test_a_repository_without_models_is_called_empty(command: Callable[..., Result], tmp_path: Path) -> None:
    """One that is not there at all is an error."""
    assert command("list", "--to", tmp_path).out.startswith(f"{tmp_path} holds no model; ")
    assert json.loads(command("list", "--to", tmp_path, "--json").out) == []
    missing = command("list", "--to", tmp_path / "nowhere")
    assert missing.code == 1
    assert "No such file or directory" in missing.err


def test_two_versions_are_compared(command: Callable[..., Result], root: Path) -> None:
    """The same package twice."""
    assert "same answer        100.00%" in command("diff", "clothes", "1", "2", "--to", root).out
    assert json.loads(command("diff", "clothes", "1", "2", "--to", root, "--json").out)["agreement"] == 1.0


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "clothes", "9"),
        ("show", "../clothes", "1"),
        ("show", "clothes", "x"),
        ("diff", "clothes", "1", "9"),
        ("alias", "clothes", "stable", "9"),
        ("prune", "shoes", "--keep", "1"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    command: Callable[..., Result], root: Path, arguments: tuple[str, ...]
) -> None:
    """Exit code 1."""
    result = command(*arguments, "--to", root)
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [("prune", "clothes"), ("prune", "clothes", "--keep", "0"), ("show", "clothes")])
def test_wrong_use_ends_with_two(command: Callable[..., Result], root: Path, arguments: tuple[str, ...]) -> None:
    """With how it is used."""
    result = command(*arguments, "--to", root)
    assert result.code == 2
    assert "Usage: recognition-export" in result.err


@pytest.mark.parametrize("name", ["list", "show", "diff", "alias", "prune", "import"])
def test_help_has_an_example(command: Callable[..., Result], name: str) -> None:
    """Of each command."""
    assert f"Example: recognition-export {name}" in command(name, "--help").out


@pytest.mark.parametrize("points", ["inf", "nan", "-1"])
def test_an_accuracy_loss_that_is_no_number_is_wrong_use(
    command: Callable[..., Result], tmp_path: Path, points: str
) -> None:
    """Before anything is read."""
    result = command(tmp_path / "nowhere", "--max-accuracy-loss", points)
    assert result.code == 2
    assert "Invalid value for '--max-accuracy-loss'" in result.err


def test_a_model_from_elsewhere_is_imported(command: Callable[..., Result], tmp_path: Path) -> None:
    """Named after its file; a label too few is one line."""
    model, labels = tmp_path / "animals.onnx", tmp_path / "labels.txt"
    model.write_bytes(to_bytes(classifier(opset=11, batch=1, fixed_reshape=True)))
    labels.write_text("\n".join(LABELS))
    write_pictures(tmp_path / "pictures")
    options = (
        *("import", model, "--labels", labels, "--preprocessing", "unit"),
        *("--images", tmp_path / "pictures", "--to", tmp_path / "models"),
    )
    assert command(*options).out == f"published animals version 1: {tmp_path / 'models' / 'animals' / '1'}\n"
    assert json.loads(command(*options, "--json").out)["manifest"]["version"] == 2
    labels.write_text("cat")
    refused = command(*options)
    assert refused.code == 1
    assert refused.err.startswith("error: ")
    assert refused.err.count("\n") == 1
