"""Reads `config.pbtxt` and its label files, as they lie beside the versions of a model that was set up for Triton.

What tunes other runtimes is ignored; what would change the meaning of an answer and is not offered here is refused.
"""

import re
from pathlib import Path

from google.protobuf import text_format
from recognition.oip.model_config_pb2 import ModelConfig

from service.engine.priority import Priority
from service.models.manifest import FILE_PATTERN

CONFIG_FILE = "config.pbtxt"
LABELS_FILE = "labels.txt"
GRAPH_FILE = "model.onnx"
LARGEST_TEXT_BYTES = 16 * 2**20
PLATFORM = "onnxruntime_onnx"
BACKEND = "onnxruntime"


class ConfigInvalid(Exception):
    """A file beside the versions is wrong or asks for what is not offered; the text names it and says what."""


def read_config(directory: Path) -> ModelConfig | None:
    """The configuration of the model in `directory`; None where there is none. Raises ConfigInvalid."""
    if not (directory / CONFIG_FILE).exists():
        return None
    text = _read_text(directory / CONFIG_FILE)
    try:
        config = text_format.Parse(text, ModelConfig(), allow_unknown_field=True)
    except text_format.ParseError as error:
        raise ConfigInvalid(f"{CONFIG_FILE} is not a model configuration in protobuf text format: {error}") from error
    _check(config, directory.name)
    return config


def read_labels(directory: Path, file: str) -> tuple[str, ...]:
    """One label a line; empty where `file` is. Raises ConfigInvalid."""
    if not file:
        return ()
    if not re.match(FILE_PATTERN, file):
        raise ConfigInvalid(f"label_filename {file!r} must be the name of a file beside {CONFIG_FILE}")
    return tuple(_read_text(directory / file).splitlines())


def versions_to_serve(config: ModelConfig | None, versions: list[int]) -> list[int]:
    """Which of the versions on disk, ascending, the policy selects: the highest where nothing is said."""
    policy = ModelConfig().version_policy if config is None else config.version_policy
    if policy.HasField("all"):
        return versions
    if policy.HasField("specific"):
        return [number for number in versions if number in policy.specific.versions]
    return versions[-(policy.latest.num_versions or 1) :]


def say_priorities(config: ModelConfig) -> None:
    """Writes down the priorities that requests are taken by, whatever the file says, where requests share batches."""
    if config.HasField("dynamic_batching"):
        config.dynamic_batching.priority_levels = len(Priority)
        config.dynamic_batching.default_priority_level = Priority.NORMAL


def _check(config: ModelConfig, name: str) -> None:
    if config.name not in {"", name}:
        raise ConfigInvalid(f"{CONFIG_FILE} describes {config.name}: the directory was renamed")
    if config.platform not in {"", PLATFORM} or config.backend not in {"", BACKEND}:
        raise ConfigInvalid(f"{CONFIG_FILE} asks for {config.platform or config.backend}; only ONNX models are served")
    if not re.match(FILE_PATTERN, config.default_model_filename or GRAPH_FILE):
        raise ConfigInvalid(f"{CONFIG_FILE}: default_model_filename must be the name of a file in the version")
    if config.max_batch_size < 0:
        raise ConfigInvalid(f"{CONFIG_FILE}: max_batch_size must be 0 or more")
    refused = {
        "sequence_batching": config.HasField("sequence_batching"),
        "ensemble_scheduling": config.HasField("ensemble_scheduling"),
        "model_transaction_policy.decoupled": config.model_transaction_policy.decoupled,
        "is_shape_tensor": any(tensor.is_shape_tensor for tensor in config.input),
        "is_non_linear_format_io": any(tensor.is_non_linear_format_io for tensor in config.input),
        "allow_ragged_batch": any(tensor.allow_ragged_batch for tensor in config.input),
        "optional": any(tensor.optional for tensor in config.input),
    }
    asked = [field for field, is_asked in refused.items() if is_asked]
    if asked:
        raise ConfigInvalid(f"{CONFIG_FILE} asks for {asked[0]}, which is not offered here")


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_TEXT_BYTES:
            raise ConfigInvalid(f"{path.name} is larger than {LARGEST_TEXT_BYTES:,} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigInvalid(f"{path.name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid(f"{path.name} must be text in UTF-8") from error
