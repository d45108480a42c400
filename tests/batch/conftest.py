"""What the tests of batch jobs share: a small real package, pictures for it, and a console that keeps what is said."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.service.packages import PackageRecipe, encode, picture

LABELS = ("left", "middle", "right")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the model `thirds`, which names the brightest third of a picture."""
    root = tmp_path_factory.mktemp("models")
    PackageRecipe().write(root)
    return root


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Thirty pictures in two folders; number i shows label i modulo 3."""
    return write_pictures(tmp_path / "pictures", 30)


@pytest.fixture
def console() -> Console:
    """No terminal; what was said is in `console.file.getvalue()`."""
    return Console(file=io.StringIO(), width=200)


def write_pictures(folder: Path, count: int) -> Path:
    for number in range(count):
        path = folder / f"{number % 2}" / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(picture(number % 3, brightness=120 + number % 100)))
    return folder


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def write_names(folder: Path, names: list[str]) -> Path:
    """Files that only the fake engine takes for pictures."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def console_of_nobody() -> Console:
    return Console(file=io.StringIO(), width=200)
