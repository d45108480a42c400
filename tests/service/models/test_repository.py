"""The repository on disk: which names, versions and aliases it holds, and which manifests it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.models.manifest import MANIFEST_FILE, digest_of
from service.models.repository import ALIASES_FILE, ModelRepository, PackageRefused
from tests.service.packages import PackageRecipe


def publish(root: Path, name: str, *versions: int) -> None:
    for version in versions:
        PackageRecipe(name=name, version=version).write(root)


def write_aliases(root: Path, content: Any, name: str = "thirds") -> None:
    (root / name / ALIASES_FILE).write_text(content if isinstance(content, str) else json.dumps(content))


def test_names_are_sorted_and_have_versions(root: Path) -> None:
    """Folders without a version, files, and names that no model may have are passed over."""
    publish(root, "b", 1)
    publish(root, "a", 2)
    for other in ("empty", ".hidden", "with space", "-dash", "line\n", "x" * 65):
        (root / other / ("1" if other != "empty" else "notes")).mkdir(parents=True)
    (root / "README.md").write_text("a file")
    assert ModelRepository(root).names() == ["a", "b"]


def test_versions_are_numbers_in_their_order(root: Path) -> None:
    """Ten comes after nine; what is not a plain number is passed over."""
    publish(root, "thirds", 10, 9, 1)
    for other in ("0", "01", "1.5", "v2", "-1", ".3.partial", "１"):
        (root / "thirds" / other).mkdir()
    (root / "thirds" / "11").write_text("a file")
    assert ModelRepository(root).versions("thirds") == [1, 9, 10]


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_repository_that_is_not_there_is_named(tmp_path: Path, kind: str) -> None:
    """With what to do about it."""
    root = tmp_path / "nowhere"
    if kind == "file":
        root.write_text("no directory")
    with pytest.raises(PackageRefused, match=r"nowhere cannot be read .*recognition-export"):
        ModelRepository(root).names()


def test_what_is_published_later_is_seen(root: Path) -> None:
    """The repository is asked anew each time."""
    repository = ModelRepository(root)
    assert repository.names() == []
    publish(root, "thirds", 1)
    assert repository.names() == ["thirds"]
    assert repository.versions("thirds") == [1]


def test_the_highest_and_the_aliased_versions_are_selected(root: Path) -> None:
    """Each once, in order; the others stay on disk."""
    publish(root, "thirds", 1, 2, 3, 4)
    repository = ModelRepository(root)
    assert repository.selected("thirds") == [4]
    write_aliases(root, {"stable": 2, "canary": 4, "old": 2})
    assert repository.aliases("thirds") == {"stable": 2, "canary": 4, "old": 2}
    assert repository.selected("thirds") == [2, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read as JSON"),
        ("{", "cannot be read as JSON"),
        ("[1]", "must map aliases to version numbers"),
        ("null", "must map aliases to version numbers"),
        ({"stable": "1"}, "must map aliases to version numbers"),
        ({"stable": True}, "must map aliases to version numbers"),
        ({"stable": 1.0}, "must map aliases to version numbers"),
        ({"stable": None}, "must map aliases to version numbers"),
        ({"stable": 7}, "the alias stable names version 7, which does not exist"),
        ({"stable": -1}, "the alias stable names version -1, which does not exist"),
    ],
)
def test_wrong_aliases_are_refused(root: Path, content: Any, message: str) -> None:
    """The message names the file and what is wrong in it."""
    publish(root, "thirds", 1)
    write_aliases(root, content)
    with pytest.raises(PackageRefused, match=rf"thirds/aliases\.json:? {message}"):
        ModelRepository(root).aliases("thirds")


def test_a_package_is_opened_with_its_digest(root: Path) -> None:
    """The digest is that of the manifest's bytes."""
    directory = PackageRecipe(version=3).write(root)
    package = ModelRepository(root).open("thirds", 3)
    assert package.path == directory
    assert package.manifest.version == 3
    assert package.digest == digest_of((directory / MANIFEST_FILE).read_bytes())


def test_a_manifest_that_is_missing_is_named(root: Path) -> None:
    """By its place in the repository, not on the machine."""
    (root / "thirds" / "1").mkdir(parents=True)
    with pytest.raises(PackageRefused) as refused:
        ModelRepository(root).open("thirds", 1)
    assert str(refused.value) == "thirds/1/manifest.json cannot be read: No such file or directory"


def test_a_manifest_that_is_not_valid_is_refused_with_its_field(root: Path) -> None:
    """An unknown field, here."""
    path = PackageRecipe().write(root) / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"colour": "red"}))
    with pytest.raises(PackageRefused, match=r"thirds/1/manifest\.json is not valid: colour: Extra inputs"):
        ModelRepository(root).open("thirds", 1)


@pytest.mark.parametrize("target", ["quarters/1", "thirds/2"])
def test_a_package_that_was_moved_is_refused(root: Path, target: str) -> None:
    """Swapping two good packages would swap their names."""
    directory = PackageRecipe().write(root)
    (root / target).parent.mkdir(exist_ok=True)
    directory.rename(root / target)
    name, version = target.split("/")
    with pytest.raises(PackageRefused, match=rf"{target}/manifest\.json describes thirds version 1: .* moved"):
        ModelRepository(root).open(name, int(version))


def test_a_package_without_its_manifest_is_no_plain_model(root: Path) -> None:
    """Losing one file must not turn the proof off."""
    (PackageRecipe().write(root) / MANIFEST_FILE).unlink()
    assert not ModelRepository(root).is_plain("thirds", 1)


def test_a_graph_alone_is_a_plain_model(root: Path) -> None:
    """Anyone's ONNX file, as Triton lays it out."""
    (root / "anyone" / "1").mkdir(parents=True)
    (root / "anyone" / "1" / "model.onnx").write_bytes(b"graph")
    assert ModelRepository(root).is_plain("anyone", 1)


def test_what_is_being_written_beside_the_versions_is_not_looked_at(tmp_path: Path) -> None:
    """A temporary file of an alias that is being moved, gone again before it could be looked at."""
    PackageRecipe().write(tmp_path)
    (name,) = ModelRepository(tmp_path).names()
    (tmp_path / name / ".aliases.json-1").symlink_to(tmp_path / "gone")
    assert ModelRepository(tmp_path).open(name, 1).manifest.name == name
