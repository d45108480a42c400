"""Which package may import which (the picture in the README): read from the sources, nothing is executed."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {
    "recognition": ROOT / "proto" / "recognition",
    "recognition_client": ROOT / "client" / "recognition_client",
    "service": ROOT / "service",
    "training": ROOT / "training",
    "export": ROOT / "export",
    "batch": ROOT / "batch",
}
MAY_IMPORT = {
    "recognition": set[str](),
    "recognition_client": {"recognition"},
    "service": {"recognition"},
    "training": set[str](),
    "export": {"training", "service"},
    "batch": {"recognition_client", "service"},
}
OF_TRAINING = {"torch", "torchvision", "torchmetrics", "onnx", "onnxscript", "safetensors"}
FORBIDDEN = [
    *(("service", name) for name in sorted(OF_TRAINING)),
    *(("client/recognition_client", name) for name in sorted(OF_TRAINING)),
    ("client/recognition_client", "onnxruntime"),
    ("service/engine", "grpc"),
    ("service/engine", "service.api"),
    ("service/models", "grpc"),
    ("service/models", "service.api"),
    ("service/api", "onnxruntime"),
    *(("batch", name) for name in sorted(OF_TRAINING)),
    ("batch", "service.api"),
    ("batch", "service.bootstrap"),
]
"""(folder, module that nothing below it imports)"""


@cache
def imported(folder: Path) -> tuple[tuple[str, str], ...]:
    """(file:line, module) of every import below a folder, those inside functions included."""
    return tuple(
        (f"{path.relative_to(folder)}:{getattr(node, 'lineno', 0)}", module)
        for path in sorted(folder.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_bytes(), path.name))
        for module in modules_of(node)
    )


def modules_of(node: ast.AST) -> list[str]:
    """The modules that one statement imports: `from a import b` may mean the module a.b."""
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(level=0, module=str(module)):
            return [f"{module}.{alias.name}" for alias in node.names]
        case ast.ImportFrom():
            raise AssertionError("a relative import, which this test does not follow")
        case ast.Call(func=ast.Name(id="__import__") | ast.Attribute(attr="import_module")):
            return [str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)]
    return []


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("package", SOURCES)
def test_packages_depend_one_way(package: str) -> None:
    """Of our own packages, each imports only those below it."""
    allowed = MAY_IMPORT[package] | {package}
    wrong = [
        (where, module)
        for where, module in imported(SOURCES[package])
        if (top := module.partition(".")[0]) in SOURCES and top not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize(("folder", "module"), FORBIDDEN)
def test_folders_do_without(folder: str, module: str) -> None:
    """The serving side knows no training library, the engine no gRPC, the doors no ONNX."""
    assert [found for found in imported(ROOT / folder) if inside(found[1], module)] == []


@pytest.mark.parametrize("package", SOURCES)
def test_the_sources_are_read(package: str) -> None:
    """A package that moved would pass the tests above unread."""
    assert len(imported(SOURCES[package])) >= 3


def test_every_kind_of_import_is_seen() -> None:
    """Plain, from a package, inside a function, and by name."""
    source = "import a.b\ndef f():\n  from c import d\n  importlib.import_module('e.f')\n  __import__('g')\n"
    found = [module for node in ast.walk(ast.parse(source)) for module in modules_of(node)]
    assert sorted(found) == ["a.b", "c.d", "e.f", "g"]


def test_every_package_has_a_rule() -> None:
    """A new source tree beside the known ones must be given its place in the order."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"}
    assert packages | {"recognition", "recognition_client"} == set(SOURCES)


def test_the_folder_proto_is_no_package() -> None:
    """An __init__.py there would hide the package `proto` that others install."""
    assert not (ROOT / "proto" / "__init__.py").exists()
