"""The record of a run, `run.json`: what was trained, on what, how, and what came out. Readable, and read back typed."""

import json
from dataclasses import dataclass
from typing import Final, Literal

from training.config import ModelConfig, Preprocessing, Recipe
from training.errors import RunUnreadable
from training.metrics import Metrics
from training.typed_json import FieldInvalid, decode, encode

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRecord:
    """The data set, and how many images each split had."""

    name: str
    sha256: str
    splits: dict[str, int]
    split_seed: int
    validation_share: float
    limit: int | None
    """a number here marks a trial that saw only so many training images"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What the run was trained on; with the seed it decides the last digits of the weights."""

    device: str
    threads: int
    precision: str
    """arithmetic of the layers while training: fp32, bf16"""

    @property
    def in_words(self) -> str:
        """cpu, 2 threads, fp32"""
        return f"{self.device}, {self.threads} thread{'s' * (self.threads != 1)}, {self.precision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    data: str
    weights: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Everything but the weights and the predictions, whose digests are in `files`."""

    schema: Literal[1] = SCHEMA
    status: Literal["running", "finished"]
    name: str
    """of the recipe"""
    family: str
    """of the model"""
    model: ModelConfig
    recipe: Recipe
    seed: int
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    data: DataRecord
    parameters: int
    macs: int
    """multiply-accumulates for one image"""
    metrics: dict[str, Metrics]
    """by split: validation, test; empty until the run is finished"""
    epochs: int
    """finished so far"""
    train_seconds: float
    """wall time of the epochs, validation included"""
    cpu_seconds: float = 0.0
    """the same in processor time of all threads, which other work on the machine does not stretch; 0: not measured"""
    created: str
    """UTC, ISO 8601"""
    hardware: Hardware
    versions: dict[str, str]
    licence: Licence
    files: dict[str, str]
    """SHA-256 of each file beside the record"""

    @classmethod
    def from_bytes(cls, content: bytes) -> "RunRecord":
        """Reads a record. Raises RunUnreadable with the first faulty field."""
        try:
            return decode(cls, json.loads(content))
        except (FieldInvalid, ValueError) as error:
            raise RunUnreadable(str(error)) from error

    def to_bytes(self) -> bytes:
        return (json.dumps(encode(self), indent=2, ensure_ascii=False) + "\n").encode()
