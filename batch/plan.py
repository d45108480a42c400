"""What a job is to do, written before anything else: no two runs with different plans ever share an output.

Nothing in it depends on the time, so that the same command always writes the same bytes.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from batch.errors import PlanChanged

PLAN_FILE = "_plan.json"
SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model version that answers, and on what."""

    name: str
    version: int
    digest: str
    precision: str
    provider: str
    labels: tuple[str, ...]
    embedding_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of each image, whatever the engine."""

    top_k: int = 5
    min_confidence: float | None = None
    embeddings: bool = False
    timings: bool = False
    max_image_bytes: int = 10 * 2**20
    batch_size: int = 16
    """Images that are computed together; always the same ones, so that the last digits are too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that decides what the rows hold."""

    source: str
    images: int
    listing: str
    """Digest of the listing."""
    shard_size: int
    shards: int
    format: str
    model: Model
    question: Question

    def to_bytes(self) -> bytes:
        content = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return (json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Raises PlanChanged for a file that another version of this program wrote, or that is no plan at all."""
        try:
            values = json.loads(content)
            if values.pop("schema_version") != SCHEMA_VERSION:
                raise KeyError("schema_version")
            facts = values.pop("model")
            model = Model(**facts | {"labels": tuple(facts["labels"])})
            return cls(model=model, question=Question(**values.pop("question")), **values)
        except (ValueError, KeyError, TypeError) as error:
            raise PlanChanged(
                f"{PLAN_FILE} cannot be read by this version of the program; begin anew with --restart"
            ) from error

    def changes(self, new: "Plan") -> list[str]:
        """What another plan has otherwise, in words; the listing is left to who can say more about it."""
        old_facts, new_facts = self._facts(), new._facts()  # noqa: SLF001 - of the same class
        return [
            f"{name} was {_short(old_facts[name])} and is {_short(new_facts[name])}"
            for name in old_facts
            if old_facts[name] != new_facts[name]
        ]

    def _facts(self) -> dict[str, Any]:
        mine = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in {"model", "question", "listing", "images", "shards"}
        }
        model = {f"model {name}": value for name, value in asdict(self.model).items()}
        return mine | model | asdict(self.question)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
