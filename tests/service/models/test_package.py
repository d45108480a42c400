"""A package's files: given out only where they are what the manifest says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from service.models.manifest import GOLDEN_FILE, digest_of
from service.models.package import Package, PackageRefused
from service.models.repository import ModelRepository
from tests.service.packages import PackageRecipe


@pytest.fixture
def package(root: Path) -> Package:
    PackageRecipe().write(root)
    return ModelRepository(root).open("thirds", 1)


def flip_a_bit(path: Path, *, place: float) -> tuple[str, str]:
    """Changes one bit; the digests before and after."""
    content = bytearray(path.read_bytes())
    before = digest_of(bytes(content))
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    return before, digest_of(bytes(content))


def test_files_are_given_out_as_they_are(package: Package) -> None:
    """Byte for byte."""
    assert package.read(GOLDEN_FILE) == (package.path / GOLDEN_FILE).read_bytes()
    package.check_files()


@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("file", ["model.onnx", GOLDEN_FILE])
def test_a_flipped_bit_is_refused(package: Package, file: str, place: float) -> None:
    """The message names the file and both digests; other files are still given out."""
    before, after = flip_a_bit(package.path / file, place=place)
    for act in (lambda: package.read(file), package.check_files):
        with pytest.raises(PackageRefused) as refused:
            act()
        for fact in (f"thirds/1/{file} was changed", before, after):
            assert fact in str(refused.value)
    other = GOLDEN_FILE if file == "model.onnx" else "model.onnx"
    assert package.read(other)


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"\0", lambda _: b""])
def test_a_file_of_another_length_is_refused(package: Package, change: Callable[[bytes], bytes]) -> None:
    """Cut short, drawn out, emptied."""
    path = package.path / "model.onnx"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(PackageRefused, match=r"thirds/1/model\.onnx was changed"):
        package.read("model.onnx")


def test_a_file_that_is_gone_is_named(package: Package) -> None:
    """By its place in the repository, not on the machine."""
    (package.path / "model.onnx").unlink()
    with pytest.raises(PackageRefused) as refused:
        package.check_files()
    assert str(refused.value) == "thirds/1/model.onnx cannot be read: No such file or directory"
    assert str(package.path) not in str(refused.value)


def test_only_files_of_the_manifest_are_given_out(package: Package) -> None:
    """What else lies there has no digest."""
    (package.path / "stray.txt").write_text("not listed")
    with pytest.raises(KeyError):
        package.read("stray.txt")
    package.check_files()
