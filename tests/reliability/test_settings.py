"""R23: a hundred files of settings with one mistake each, and none of them starts anything."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import service.__main__
from service.__main__ import app
from service.config import Settings
from tests.reliability.figures import Size, record

BROKEN = {
    "no TOML": "grpc_port = ",
    "no text": "\udcff",
    "a table": "[service]\ngrpc_port = 1",
    "twice": "grpc_port = 1\ngrpc_port = 2",
}


def mistakes() -> Iterator[tuple[str, str]]:
    """What is wrong, which the complaint must name, and the file."""
    for name in Settings.model_fields:
        typo = name[:-1] + ("x" if name[-1] != "x" else "y")
        yield typo, f"{typo} = 1\n"
        yield name, f"{name} = [[]]\n"
    for kind, content in BROKEN.items():
        yield "", f"# {kind}\n{content}\n"


def test_a_mistake_in_the_settings_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each names the key, in one line, before a port is bound or a model is read."""
    started: list[object] = []
    monkeypatch.setattr(service.__main__, "_run", started.append)
    file, command, seconds = tmp_path / "serve.toml", get_command(app), list[float]()
    for named, content in (*mistakes(), ("none.toml", "")):
        file.write_text(content, encoding="utf-8", errors="surrogateescape")
        began = time.process_time()
        with pytest.raises(SystemExit) as ended:
            command.main(["--config", str(file if content else tmp_path / "none.toml")])
        seconds.append(time.process_time() - began)
        complaint = capsys.readouterr().err
        assert ended.value.code == 2, content
        assert named in complaint, content
        assert len(complaint.splitlines()) == 1, complaint
    assert started == []
    assert len(seconds) >= 100
    size = Size(seconds=0, count=len(seconds), strict=True)
    record("R23 settings", size, refused=len(seconds), slowest_seconds=round(max(seconds), 2))
    assert max(seconds) <= 1
