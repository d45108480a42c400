"""What is installed and read: every package by its hash, no torch where images are served, nothing is unpickled."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCKS = sorted([ROOT / "requirements.lock", *(ROOT / "locks").glob("*.lock")])
SOURCES = ("proto", "client", "service", "batch", "training", "export", "examples", "benchmarks", "k8s")
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "pandas"}
ONLY_ITS_ERROR = {"UnpicklingError"}
"""A name of the module pickle that may be imported: torch raises it for files that it refuses to read."""
NOT_SERVED = {"torch", "torchvision", "onnx", "onnxscript", "pip", "setuptools", "pickle5", "joblib"}


def calls(path: Path) -> Iterator[str]:
    """What a file does that could run code out of data, each as a line that says where."""
    for node in ast.walk(ast.parse(path.read_bytes(), path.name)):
        where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        match node:
            case ast.Import():
                yield from (f"{where} imports {name.name}" for name in node.names if name.name in UNPICKLERS)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in UNPICKLERS:
                if {name.name for name in node.names} - ONLY_ITS_ERROR:
                    yield f"{where} imports from {module}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="load")):
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                wanted = {
                    "torch": ("weights_only", "True"),
                    "np": ("allow_pickle", "False"),
                    "numpy": ("allow_pickle", "False"),
                }
                if owner in wanted and given.get(wanted[owner][0]) != wanted[owner][1]:
                    yield f"{where} calls {owner}.load without {'='.join(wanted[owner])}"
                if owner == "yaml":
                    yield f"{where} calls yaml.load"
            case ast.Call(func=ast.Name(id="eval" | "exec" as name)):
                yield f"{where} calls {name}"


def test_nothing_is_unpickled() -> None:
    """Anywhere in the sources."""
    files = [path for folder in SOURCES for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 200
    assert [found for path in files for found in calls(path)] == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.load('f')",
        "import torch\ntorch.load('f', weights_only=False)",
        "import numpy as np\nnp.load('f')",
        "import numpy as np\nnp.load('f', allow_pickle=True)",
        "import yaml\nyaml.load('f')",
        "exec('1')",
    ],
)
def test_the_search_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """The negative control."""
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "bad.py").write_text(line, encoding="utf-8")
    assert len(list(calls(tmp_path / "bad.py"))) == 1


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_has_a_version_and_a_hash(lock: Path) -> None:
    """So that nothing is installed but what was looked at."""
    text = re.sub(r"\\\n\s*", " ", lock.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    assert [line.split()[0] for line in lines if "==" not in line or "--hash=sha256:" not in line] == []


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_the_serving_image_has_no_torch(device: str) -> None:
    """Nor anything else that only training or export needs."""
    text = (ROOT / "locks" / f"service-{device}.lock").read_text(encoding="utf-8")
    names = set(re.findall(r"^([A-Za-z0-9_.-]+)==", text, flags=re.MULTILINE))
    assert {"grpcio", "pillow"} <= names
    assert names & NOT_SERVED == set()
