"""The doctor on tokens and certificates (service/doctor/guards.py)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.api.auth.tokens import entry, new_token
from service.doctor.finding import Verdict
from tests.service.certificates import Authority
from tests.service.doctor.subjects import findings


def test_tokens_are_counted_and_a_broken_file_is_a_failure(models: Path, tmp_path: Path) -> None:
    """An empty one is a warning: nobody could call."""
    file = tmp_path / "tokens.toml"
    assert findings(models, tokens=file)["tokens"].verdict is Verdict.FAILURE
    file.write_text("", encoding="utf-8")
    assert findings(models, tokens=file)["tokens"].verdict is Verdict.WARNING
    file.write_text(entry(new_token(), "app", models=["thirds"]), encoding="utf-8")
    good = findings(models, tokens=file)["tokens"]
    assert (good.verdict, good.saw) == (Verdict.OK, f"{file} holds 1")
    file.write_text("[tokens", encoding="utf-8")
    bad = findings(models, tokens=file)["tokens"]
    assert bad.verdict is Verdict.FAILURE
    assert "token new" in bad.advice


@pytest.mark.parametrize(("days", "verdict"), [(90, Verdict.OK), (5, Verdict.WARNING), (-1, Verdict.FAILURE)])
def test_a_certificate_is_renewed_in_time(models: Path, tmp_path: Path, days: int, verdict: Verdict) -> None:
    """Soon to end is a warning; ended, a failure."""
    end = datetime.now(UTC) + timedelta(days=days)
    files = Authority().write(tmp_path, not_after=end)
    finding = findings(models, tls_certificate=files.certificate, tls_key=files.key)["certificate"]
    assert finding.verdict is verdict
    assert f"{end:%Y-%m-%d}" in finding.saw


def test_a_key_of_another_certificate_is_a_failure(models: Path, tmp_path: Path) -> None:
    files = Authority().write(tmp_path)
    certificate = files.certificate.read_bytes()
    Authority().write(tmp_path)
    files.certificate.write_bytes(certificate)
    finding = findings(models, tls_certificate=files.certificate, tls_key=files.key)["certificate"]
    assert finding.verdict is Verdict.FAILURE
    assert "belong together" in finding.advice
