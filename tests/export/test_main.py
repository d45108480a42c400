"""The command recognition-export (export/__main__.py)."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from export.__main__ import main
from service.models.repository import ModelRepository
from training.checkpoint import Run


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """The command in this process, which has loaded torch already."""

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


def one_line(text: str) -> str:
    assert text.startswith("error: ")
    assert text.count("\n") == 1
    return text


def test_exports_and_then_has_nothing_to_do(
    command: Callable[..., Result], run: Run, sample_directory: Path, tmp_path: Path
) -> None:
    """The run's family is the name; steps go to stderr, the result to stdout."""
    options = (run.directory, "--to", tmp_path, "--data", sample_directory)
    first = command(*options)
    assert first.code == 0
    assert first.out == f"published fashion_cnn version 1: {tmp_path / 'fashion_cnn' / '1'}\n"
    steps = [line.split()[0] for line in first.err.splitlines()]
    assert steps == ["graph", "files", "verify", "calibrate", "measure", "publish"]

    second = command(*options)
    assert (second.code, second.err) == (0, "")
    assert second.out.startswith("already published as version 1")

    reported = json.loads(command("--json", *options).out)
    package = ModelRepository(tmp_path).open("fashion_cnn", 1)
    assert (reported["published"], reported["digest"]) == (False, package.digest)
    assert reported["manifest"]["variants"]["fp32"]["metrics"]["images"] == 300


@contextmanager
def no_large_files() -> Iterator[None]:
    """Of more than 20 KiB, in this process. Not a fixture: pytest writes to its own log before it takes those back."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20 * 2**10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("drawn")
def test_where_files_may_not_grow_it_fails_in_one_line(
    command: Callable[..., Result], run: Run, sample_directory: Path, tmp_path: Path
) -> None:
    """As on a full disk: nothing is half published."""
    with no_large_files():
        result = command(run.directory, "--to", tmp_path / "models", "--data", sample_directory)
    assert result.code == 1
    assert "File too large. Nothing was published" in one_line(result.err.splitlines(keepends=True)[-1])
    assert list((tmp_path / "models" / "fashion_cnn").iterdir()) == []


@pytest.mark.slow
def test_a_real_process_whose_files_may_not_grow_fails_in_one_line(
    run: Run, sample_directory: Path, tmp_path: Path
) -> None:
    """No traceback is shown."""
    if sys.platform == "win32":
        pytest.skip("needs ulimit")
    arguments = [run.directory, "--to", tmp_path / "models", "--data", sample_directory]
    result = subprocess.run(
        ["bash", "-c", 'ulimit -f 20; exec "$0" -m export "$@"', sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert result.returncode == 1, result.stderr
    assert "File too large. Nothing was published" in one_line(result.stderr.splitlines(keepends=True)[-1])
    assert "Traceback" not in result.stderr
    assert list((tmp_path / "models" / "fashion_cnn").iterdir()) == []


def test_an_unfinished_run_is_refused_in_one_line(command: Callable[..., Result], run: Run, tmp_path: Path) -> None:
    """With what to do about it."""
    unfinished = Path(shutil.copytree(run.directory, tmp_path / "run"))
    record = unfinished / "run.json"
    record.write_text(record.read_text().replace('"status": "finished"', '"status": "running"'))
    result = command(unfinished, "--to", tmp_path / "models")
    assert result.code == 1
    assert "unfinished run" in one_line(result.err)
    assert not (tmp_path / "models").exists()


def test_a_damaged_run_is_refused_in_one_line(command: Callable[..., Result], run: Run, tmp_path: Path) -> None:
    """The file is named."""
    damaged = Path(shutil.copytree(run.directory, tmp_path / "run"))
    (damaged / "model.safetensors").write_bytes(b"nothing")
    result = command(damaged, "--to", tmp_path / "models")
    assert result.code == 1
    assert "model.safetensors is damaged" in one_line(result.err)


def test_no_run_and_no_data_are_refused_in_one_line(command: Callable[..., Result], run: Run, tmp_path: Path) -> None:
    """Each says what is missing where."""
    nowhere = command(tmp_path / "nowhere")
    assert nowhere.code == 1
    assert "run.json does not exist" in one_line(nowhere.err)
    no_data = command(run.directory, "--to", tmp_path / "models", "--data", tmp_path)
    assert no_data.code == 1
    assert "does not hold the data set" in one_line(no_data.err)


@pytest.mark.parametrize("arguments", [(), ("--no-such-option",), ("./a", "b"), ("run",)])
def test_wrong_use_ends_with_two(command: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    """And says how it is used."""
    result = command(*arguments)
    assert result.code == 2
    assert "Usage: recognition-export" in result.out + result.err


@pytest.mark.parametrize(("word", "hint"), [("lst", "did you mean `list`?"), ("zzz", "--help` names the commands")])
def test_a_word_that_is_neither_command_nor_run_is_wrong_use(
    command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str, hint: str
) -> None:
    """In one line, with the command that was meant; a directory of that name is taken for a run."""
    monkeypatch.chdir(tmp_path)
    result = command(word)
    assert result.code == 2
    assert hint in one_line(result.err)
    (tmp_path / word).mkdir()
    assert "run.json does not exist" in one_line(command(word).err)


def test_a_precision_that_does_not_exist_is_wrong_use(command: Callable[..., Result], run: Run, tmp_path: Path) -> None:
    """Those that do are named."""
    result = command(run.directory, "--to", tmp_path, "--precisions", "fp32,fp8")
    assert result.code == 2
    assert "fp32, fp16, int8" in result.err


def test_a_bad_name_is_wrong_use(command: Callable[..., Result], run: Run, tmp_path: Path) -> None:
    """It could lead out of the repository."""
    result = command(run.directory, "--to", tmp_path, "--name", "../x")
    assert result.code == 2
    assert "cannot be the name of a model" in one_line(result.err)


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("run", "--help"), ("var/runs/x", "--help")])
def test_help_has_an_example(command: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    """Of the command as a whole and of its default action."""
    result = command(*arguments)
    assert result.code == 0
    assert "Example: recognition-export var/runs/fashion_cnn-seed0 --to var/models" in result.out
