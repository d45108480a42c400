"""A new version comes into use (export/rollout.py, and its commands): tried, taken, taken back."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from export.__main__ import app
from export.draft import Draft
from export.errors import PublicationFailed, TrialPointless, VersionMissing
from export.keep import reroute, set_alias
from export.publish import publish
from export.rollout import promoted, rolled_back, with_canary, with_shadow
from service.models.repository import ModelRepository
from service.models.routes import Companion, Route


@pytest.fixture
def root(draft: Draft, tmp_path: Path) -> Path:
    """A repository with three versions of `clothes`, of which the second is stable."""
    for _ in range(3):
        publish(draft, tmp_path, prove=lambda _package: None)
    set_alias(tmp_path, "clothes", "stable", 1)
    set_alias(tmp_path, "clothes", "stable", 2)
    return tmp_path


def stable(root: Path) -> Route:
    return ModelRepository(root).routes("clothes")["stable"]


def test_a_version_is_tried_and_taken_and_taken_back(root: Path) -> None:
    """The way of most new versions, and of one that disappoints later."""
    reroute(root, "clothes", "stable", with_canary(3, 0.05))
    assert stable(root) == Route(version=2, canary=Companion(version=3, share=0.05), previous=1)
    reroute(root, "clothes", "stable", promoted)
    assert stable(root) == Route(version=3, previous=2)
    reroute(root, "clothes", "stable", rolled_back)
    assert stable(root) == Route(version=2, previous=3)


def test_a_trial_is_ended_before_anything_else_is_taken_back(root: Path) -> None:
    """The version that answered goes on; a canary and a shadow replace one another."""
    reroute(root, "clothes", "stable", with_shadow(3, 1.0))
    reroute(root, "clothes", "stable", with_canary(3, 0.5))
    assert stable(root).shadow is None
    reroute(root, "clothes", "stable", rolled_back)
    assert stable(root) == Route(version=2, previous=1)


def test_what_cannot_be_is_refused(root: Path) -> None:
    """Nothing to promote, nothing to go back to, no such alias or version, a damaged one; the file stays."""
    before = (root / "clothes" / "aliases.json").read_bytes()
    with pytest.raises(VersionMissing, match="no canary and no shadow"):
        reroute(root, "clothes", "stable", promoted)
    with pytest.raises(VersionMissing, match="has no alias 'other'"):
        reroute(root, "clothes", "other", rolled_back)
    with pytest.raises(VersionMissing, match="has no version 9"):
        reroute(root, "clothes", "stable", with_canary(9, 0.1))
    for trial in (with_canary(2, 0.1), with_shadow(2, 1.0)):
        with pytest.raises(TrialPointless, match="version 2 answers already"):
            reroute(root, "clothes", "stable", trial)
    (root / "clothes" / "3" / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(PublicationFailed, match="changed after publishing"):
        reroute(root, "clothes", "stable", with_canary(3, 0.1))
    assert (root / "clothes" / "aliases.json").read_bytes() == before
    with pytest.raises(VersionMissing, match="nothing to go back to"):
        rolled_back(Route(version=2))


def test_the_commands_say_where_the_alias_leads(root: Path) -> None:
    """One line, or JSON."""
    runner = CliRunner()

    def said(*arguments: str) -> str:
        done = runner.invoke(app, [*arguments, "--to", str(root)])
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    assert said("canary", "clothes", "3", "--share", "0.1") == ("clothes: stable -> 2, 3 answers 10.00% (before: 1)")
    assert said("shadow", "clothes", "3") == "clothes: stable -> 2, 3 is shown 100.00% (before: 1)"
    assert said("promote", "clothes") == "clothes: stable -> 3 (before: 2)"
    assert json.loads(said("rollback", "clothes", "--json")) == {"version": 2, "previous": 3}
