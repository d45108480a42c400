"""The doctor on the models (service/doctor/repository.py)."""

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.doctor.finding import Verdict
from tests.service.doctor.subjects import findings
from tests.service.packages import PackageRecipe


def test_an_unsigned_package_is_a_failure_where_keys_are_trusted(models: Path, tmp_path: Path) -> None:
    """And so are keys that cannot be read."""
    key = Ed25519PrivateKey.generate().public_key()
    public = tmp_path / "release.pub"
    unread = findings(models, trusted_keys=public)["trusted_keys"]
    assert (unread.verdict, "--trusted-keys" in unread.advice) == (Verdict.FAILURE, True)
    public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    found = findings(models, trusted_keys=public)
    assert found["trusted_keys"].verdict is Verdict.OK
    assert "thirds/1 is not signed" in found["thirds/1"].saw


def test_a_changed_file_is_a_failure_that_names_it(models: Path) -> None:
    """By its digest, as at a start; other versions are looked at all the same."""
    PackageRecipe(version=2).write(models)
    (models / "thirds" / "aliases.json").write_text(json.dumps({"old": 1}), encoding="utf-8")
    graph = models / "thirds" / "1" / "model.onnx"
    graph.write_bytes(graph.read_bytes() + b"\x00")
    found = findings(models)
    assert found["thirds/1"].verdict is Verdict.FAILURE
    assert "thirds/1/model.onnx" in found["thirds/1"].saw
    assert found["thirds/2"].verdict is Verdict.OK


def test_an_alias_of_a_version_that_is_not_there_is_a_failure(models: Path) -> None:
    (models / "thirds" / "aliases.json").write_text(json.dumps({"stable": 7}), encoding="utf-8")
    finding = findings(models)["thirds"]
    assert finding.verdict is Verdict.FAILURE
    assert "version 7" in finding.saw
    assert "aliases.json" in finding.advice


def test_a_missing_or_empty_repository_is_a_failure(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        assert findings(place)["models"].verdict is Verdict.FAILURE
