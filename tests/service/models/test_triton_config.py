"""config.pbtxt and label files."""

from pathlib import Path

import pytest

from service.models.triton_config import ConfigInvalid, read_config, read_labels, versions_to_serve


def configured(directory: Path, text: str) -> Path:
    (directory / "config.pbtxt").write_text(text, encoding="utf-8")
    return directory


def test_no_file_is_no_configuration(tmp_path: Path) -> None:
    """And the highest version is served."""
    assert read_config(tmp_path) is None
    assert versions_to_serve(None, [1, 2, 5]) == [5]


def test_what_tunes_other_runtimes_is_ignored(tmp_path: Path) -> None:
    """Fields that are not known here do not stand in the way."""
    config = read_config(
        configured(tmp_path, 'max_batch_size: 8 optimization { cuda { graphs: true } } parameters { key: "a" }')
    )
    assert config is not None
    assert config.max_batch_size == 8


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("max_batch_size: many", "not a model configuration"),
        ('name: "other"', "describes other"),
        ('platform: "tensorflow_savedmodel"', "only ONNX models"),
        ('backend: "python"', "only ONNX models"),
        ("max_batch_size: -1", "0 or more"),
        ('default_model_filename: "../model.onnx"', "name of a file"),
        ("sequence_batching { max_sequence_idle_microseconds: 1 }", "sequence_batching"),
        ("ensemble_scheduling { step [] }", "ensemble_scheduling"),
        ("model_transaction_policy { decoupled: true }", "decoupled"),
        ('input [ { name: "x" optional: true } ]', "optional"),
        ('input [ { name: "x" allow_ragged_batch: true } ]', "allow_ragged_batch"),
    ],
)
def test_what_is_not_offered_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """What would change the meaning of an answer is refused and never ignored."""
    with pytest.raises(ConfigInvalid, match=complaint):
        read_config(configured(tmp_path, text))


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ("", [5]),
        ("version_policy { latest { num_versions: 2 } }", [2, 5]),
        ("version_policy { all {} }", [1, 2, 5]),
        ("version_policy { specific { versions: [1, 3] } }", [1]),
    ],
)
def test_versions_follow_the_policy(tmp_path: Path, policy: str, served: list[int]) -> None:
    """Of those on disk."""
    assert versions_to_serve(read_config(configured(tmp_path, policy)), [1, 2, 5]) == served


def test_labels_are_lines(tmp_path: Path) -> None:
    """Of a file beside the configuration and nowhere else."""
    (tmp_path / "labels.txt").write_text("a\nb: c\n", encoding="utf-8")
    assert read_labels(tmp_path, "labels.txt") == ("a", "b: c")
    assert read_labels(tmp_path, "") == ()
    for file in ("../labels.txt", "/etc/passwd", "missing.txt"):
        with pytest.raises(ConfigInvalid):
            read_labels(tmp_path, file)
