"""The record is readable, and read back exactly or refused."""

import json

import pytest

from training.checkpoint import Run
from training.errors import RunUnreadable
from training.record import RunRecord


def test_a_record_is_read_back_as_it_was_written(trained_run: Run) -> None:
    """The same value, and the same bytes again."""
    record = trained_run.record
    assert RunRecord.from_bytes(record.to_bytes()) == record
    assert RunRecord.from_bytes(record.to_bytes()).to_bytes() == record.to_bytes()


def test_it_says_in_plain_words_what_was_trained(trained_run: Run) -> None:
    """The keys that people and the export look for."""
    plain = json.loads(trained_run.record.to_bytes())
    assert plain["schema"] == 1
    assert plain["status"] == "finished"
    assert plain["family"] == plain["model"]["name"] == "fashion_cnn"
    assert plain["preprocessing"]["polarity"] == "bright_on_dark"
    assert plain["data"]["splits"] == {"train": 550, "validation": 50, "test": 300}
    assert plain["data"]["limit"] is None
    assert (plain["parameters"], plain["macs"]) == (29_034, 2_838_080)
    assert plain["metrics"]["test"]["images"] == 300
    assert len(plain["metrics"]["validation"]["per_label"]) == 10
    assert plain["created"].endswith("+00:00")
    assert {"python", "torch", "torchvision", "training"} <= plain["versions"].keys()
    assert plain["licence"]["data"].startswith("MIT")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "Expecting value"), (b"{}", "missing"), (b'{"schema": 2}', "missing"), (b"\xff", "decode")],
)
def test_what_is_no_record_is_refused(content: bytes, words: str) -> None:
    """Never a half-read record."""
    with pytest.raises(RunUnreadable, match=words):
        RunRecord.from_bytes(content)


def test_a_record_of_a_later_schema_is_refused(trained_run: Run) -> None:
    """Rather than read with the wrong meaning."""
    later = trained_run.record.to_bytes().replace(b'"schema": 1', b'"schema": 2')
    with pytest.raises(RunUnreadable, match="schema: expected"):
        RunRecord.from_bytes(later)
