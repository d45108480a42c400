"""`recognition-serve token`: what it prints and what it writes."""

from pathlib import Path

from typer.testing import CliRunner

from service.__main__ import app
from service.api.auth.token_file import TokenFile


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["token", *map(str, arguments)])
    return done.exit_code, done.output


def test_a_new_token_is_printed_once_and_its_hash_is_kept(tmp_path: Path) -> None:
    """What is printed opens what the file says; each is another."""
    file = tmp_path / "tokens.toml"
    first = run("new", "app", "--file", file, "--model", "fashion_cnn", "--calls-per-second", "50")
    second = run("new", "prometheus", "--file", file, "--metrics")
    assert (first[0], second[0]) == (0, 0)
    token, other = first[1].strip(), second[1].strip()
    assert token.startswith("rec_")
    assert len(token) > 40
    assert token != other
    assert token not in file.read_text(encoding="utf-8")
    tokens = TokenFile(file)
    entry, scraper = tokens.find(token), tokens.find(other)
    assert entry is not None
    assert (entry.name, entry.models, entry.calls_per_second) == ("app", ("fashion_cnn",), 50)
    assert scraper is not None
    assert (scraper.models, scraper.metrics, scraper.control) == (("*",), True, False)
    assert tokens.find(token + "x") is None


def test_the_list_tells_rights_and_no_token(tmp_path: Path) -> None:
    """One line each."""
    file = tmp_path / "tokens.toml"
    _, token = run("new", "app", "--file", file, "--model", "a", "--model", "b", "--control")
    assert run("list", "--file", file) == (0, "app: models a, b; any rate; control\n")
    assert token.strip() not in run("list", "--file", file)[1]


def test_what_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    """Names twice, names that are none, files that hold something else."""
    file = tmp_path / "tokens.toml"
    run("new", "app", "--file", file)
    before = file.read_bytes()
    assert run("new", "app", "--file", file)[0] == 1
    assert run("new", 'a"b', "--file", file)[0] == 1
    assert run("new", "b", "--file", file, "--model", "../x")[0] == 1
    assert file.read_bytes() == before
    file.write_text("[other]\n", encoding="utf-8")
    code, said = run("new", "b", "--file", file)
    assert code == 1
    assert str(file) in said
    assert run("list", "--file", tmp_path / "nothing")[0] == 1


def test_only_the_owner_and_the_group_read_the_file(tmp_path: Path) -> None:
    """Hashes of random tokens are no secret, but the names and rights are nobody's business."""
    file = tmp_path / "tokens.toml"
    run("new", "app", "--file", file)
    assert file.stat().st_mode & 0o007 == 0
