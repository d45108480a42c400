"""Versions that are published already (export/keep.py)."""

import json
from pathlib import Path

import pytest

from export.alone import LOCK_FILE
from export.draft import Draft
from export.errors import NameInvalid, PublicationFailed, VersionMissing
from export.keep import number_of, open_version, prune, set_alias, summaries
from export.publish import publish
from service.models.repository import ModelRepository, Package


def accept(_package: Package) -> None:
    """For tests that are not about the proof."""


@pytest.fixture
def root(draft: Draft, tmp_path: Path) -> Path:
    """A repository with three versions of `clothes`."""
    for _ in range(3):
        publish(draft, tmp_path, prove=accept)
    return tmp_path


def test_an_alias_names_a_version_from_now_on(root: Path) -> None:
    """As the service reads it; others stay, and the same one moves."""
    set_alias(root, "clothes", "stable", 1)
    set_alias(root, "clothes", "canary", 3)
    assert set_alias(root, "clothes", "stable", 2) == {"stable": 2, "canary": 3}
    assert ModelRepository(root).aliases("clothes") == {"stable": 2, "canary": 3}


def test_an_alias_remembers_what_it_named_before(root: Path) -> None:
    """For the way back; other aliases keep their canaries, and pruning keeps what they all need."""
    path = root / "clothes" / "aliases.json"
    path.write_text(json.dumps({"a": {"version": 1, "canary": {"version": 2, "share": 0.1}}, "b": 2}))
    set_alias(root, "clothes", "b", 3)
    canary = {"version": 1, "canary": {"version": 2, "share": 0.1}}
    assert json.loads(path.read_bytes()) == {"a": canary, "b": {"version": 3, "previous": 2}}
    assert prune(root, "clothes", keep=1) == []


def test_an_alias_of_nothing_is_refused(root: Path) -> None:
    """A version that is not there, one that is damaged, a name that is none; the file stays as it was."""
    set_alias(root, "clothes", "stable", 1)
    before = (root / "clothes" / "aliases.json").read_bytes()
    with pytest.raises(VersionMissing, match="has no version 9; it has 1, 2, 3"):
        set_alias(root, "clothes", "stable", 9)
    (root / "clothes" / "3" / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(PublicationFailed, match="was changed after publishing"):
        set_alias(root, "clothes", "stable", 3)
    for name in ("7", "../x", ""):
        with pytest.raises(NameInvalid):
            set_alias(root, "clothes", name, 1)
    with pytest.raises(VersionMissing, match="holds no model shoes"):
        set_alias(root, "shoes", "stable", 1)
    assert (root / "clothes" / "aliases.json").read_bytes() == before


def test_an_alias_that_cannot_be_written_leaves_the_old_file(root: Path) -> None:
    """The system refuses to let files grow, as on a full disk."""
    resource = pytest.importorskip("resource", reason="needs POSIX resource limits")
    set_alias(root, "clothes", "stable", 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, hard))
    try:
        with pytest.raises(PublicationFailed, match="stays as it was"):
            set_alias(root, "clothes", "stable", 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert json.loads((root / "clothes" / "aliases.json").read_bytes()) == {"stable": 1}
    assert not [path for path in (root / "clothes").iterdir() if path.name.startswith(".") and path.name != LOCK_FILE]


def test_the_list_holds_damaged_versions_too(root: Path, draft: Draft) -> None:
    """With what is wrong with them."""
    set_alias(root, "clothes", "stable", 2)
    (root / "clothes" / "1" / "card.md").write_text("other")
    first, second, third = summaries(root)
    assert "card.md was changed" in first.problem
    assert (second.version, second.aliases, second.precisions) == (2, ("stable",), ("fp32",))
    assert third.size_bytes == sum(len(content) for content in draft.files.values())
    assert third.problem == ""
    with pytest.raises(VersionMissing):
        summaries(root / "nowhere")


def test_pruning_keeps_the_newest_and_those_with_an_alias(root: Path, draft: Draft) -> None:
    """Even where only one is to be kept."""
    publish(draft, root, prove=accept)
    set_alias(root, "clothes", "stable", 2)
    assert prune(root, "clothes", keep=1) == [1, 3]
    assert ModelRepository(root).versions("clothes") == [2, 4]
    assert prune(root, "clothes", keep=0) == []
    assert not [path for path in (root / "clothes").iterdir() if path.name.startswith(".") and path.name != LOCK_FILE]


def test_pruning_stops_where_the_aliases_cannot_be_read(root: Path) -> None:
    """They might name what would be removed."""
    (root / "clothes" / "aliases.json").write_text("{")
    with pytest.raises(PublicationFailed, match="mend or remove the file"):
        prune(root, "clothes", keep=1)
    assert ModelRepository(root).versions("clothes") == [1, 2, 3]


def test_a_version_is_opened_with_all_its_files(root: Path) -> None:
    """Checked against their digests."""
    assert open_version(root, "clothes", 2).manifest.version == 2


def test_a_number_that_no_version_has_is_said(root: Path) -> None:
    """Also one that is too long to be read, and where there is no version at all."""
    assert number_of(root, "clothes", "2") == 2
    with pytest.raises(VersionMissing, match="clothes has no version of 5000 digits"):
        number_of(root, "clothes", "9" * 5000)
    (root / "hats").mkdir()
    with pytest.raises(VersionMissing, match="hats has no version 1; it has none at all"):
        open_version(root, "hats", 1)
    with pytest.raises(VersionMissing, match="no alias 'stable'; it has none at all"):
        number_of(root, "hats", "stable")
