"""A plain ONNX model on disk: `<name>/<version>/model.onnx` without a manifest, perhaps with config.pbtxt and labels.

Nothing vouches for it: there is no digest to compare with and no golden sample to replay, so it is served as tensors
and never as an image classifier.
"""

from dataclasses import dataclass, field
from pathlib import Path

from recognition.oip.model_config_pb2 import ModelConfig

from service.models.onnx_file import OnnxFileInvalid, check_graph
from service.models.package import PackageRefused
from service.models.triton_config import GRAPH_FILE, LABELS_FILE, ConfigInvalid, read_config, read_labels

LARGEST_GRAPH_BYTES = 2**31 - 1
"""What fits into one protobuf message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainModel:
    """One version; `config` is what config.pbtxt says, None where there is none."""

    name: str
    version: int
    path: Path
    config: ModelConfig | None = None
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Labels by output; under the empty name those of labels.txt, for a model whose outputs are not configured."""

    @property
    def file(self) -> str:
        return GRAPH_FILE if self.config is None else self.config.default_model_filename or GRAPH_FILE

    def where(self, file: str) -> str:
        """How messages name a file of the model: its place in the repository."""
        return f"{self.name}/{self.version}/{file}"

    def read(self) -> bytes:
        """The graph. Raises PackageRefused where it cannot be read, is too large, or is not all in one file."""
        path, where = self.path / self.file, self.where(self.file)
        try:
            if path.stat().st_size > LARGEST_GRAPH_BYTES:
                raise PackageRefused(f"{where} is larger than {LARGEST_GRAPH_BYTES:,} bytes, the most that ONNX allows")
            content = path.read_bytes()
            check_graph(content, packaged=False)
        except OSError as error:
            raise PackageRefused(f"{where} cannot be read: {error.strerror}") from error
        except OnnxFileInvalid as error:
            raise PackageRefused(f"{where} {error}") from error
        return content


def open_plain_model(directory: Path, version: int) -> PlainModel:
    """The version of the model in `directory`. Raises PackageRefused."""
    try:
        config = read_config(directory)
        labels = _labels(directory, version, config)
    except ConfigInvalid as error:
        raise PackageRefused(f"{directory.name}/{error}") from error
    return PlainModel(name=directory.name, version=version, path=directory / str(version), config=config, labels=labels)


def _labels(directory: Path, version: int, config: ModelConfig | None) -> dict[str, tuple[str, ...]]:
    """As configured for each output; else labels.txt of the version, or the one beside the versions."""
    if config is not None and config.output:
        return {output.name: read_labels(directory, output.label_filename) for output in config.output}
    for place in (directory / str(version), directory):
        if (place / LABELS_FILE).exists():
            return {"": read_labels(place, LABELS_FILE)}
    return {}
