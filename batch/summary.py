"""What a finished job found: counts by label and by error, confidence, and the images that the model is least sure of.

Read from the parts one by one when all of them are there, so that it covers what earlier runs wrote too.
"""

import heapq
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from batch.formats import CODECS, part_name
from batch.kinds import Format
from batch.plan import Plan
from batch.store import Store
from batch.table import OK, schema

LEAST_CERTAIN = 48
SUMMARISED = frozenset({"id", "status", "error", "label_1", "probability_1", "unknown"})


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Doubtful:
    """An image that the model is not sure of."""

    probability: float
    id: str
    label: str
    shard: int
    place: int


@dataclass(slots=True, kw_only=True)
class Summary:
    """The seconds and images/s are of the run that wrote it; all else follows from the rows."""

    images: int = 0
    errors: int = 0
    unknown: int = 0
    mean_confidence: float | None = None
    labels: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    model: str = ""
    version: int = 0
    digest: str = ""
    images_this_run: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    least_certain: list[Doubtful] = field(default_factory=list)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    def lines(self) -> list[str]:
        """For people."""
        confidence = "" if self.mean_confidence is None else f", mean confidence {self.mean_confidence:.1%}"
        pace = f"{self.images_this_run:,} in this run, {self.images_per_second:,.0f} images/s"
        found = [f"{self.images:,} images by {self.model} version {self.version} ({pace}){confidence}"]
        found += [f"  {count:>9,}  {label}" for label, count in self.labels.items()]
        if self.unknown:
            found.append(f"  {self.unknown:>9,}  of them below the model's threshold (unknown)")
        found += [f"  {count:>9,}  no answer: {reason}" for reason, count in self.reasons.items()]
        return found


def summarise(store: Store, plan: Plan, *, least_certain: int = LEAST_CERTAIN) -> Summary:
    """Of all parts, which must be there."""
    kind = Format(plan.format)
    columns = pa.schema([field for field in schema(plan.question, plan.model) if field.name in SUMMARISED])
    summary = Summary(model=plan.model.name, version=plan.model.version, digest=plan.model.digest)
    labels: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    confidence = 0.0
    doubtful: list[Doubtful] = []
    for shard in range(plan.shards):
        with store.fetched(part_name(shard, kind)) as path:
            table = CODECS[kind].read(path, columns)
        summary.images += len(table)
        _count(labels, table.column("label_1"))
        _count(reasons, table.column("error"))
        summary.unknown += pc.sum(table.column("unknown")).as_py() or 0
        confidence += pc.sum(table.column("probability_1").cast(pa.float64())).as_py() or 0.0
        doubtful = heapq.nsmallest(least_certain, [*doubtful, *_doubtful(table, shard, least_certain)])
    summary.labels = dict(sorted(labels.items(), key=_most_first))
    summary.reasons = dict(sorted(reasons.items(), key=_most_first))
    summary.errors = sum(reasons.values())
    answered = summary.images - summary.errors
    summary.mean_confidence = round(confidence / answered, 6) if answered else None
    summary.least_certain = doubtful
    return summary


def _count(counter: Counter[str], column: pa.ChunkedArray) -> None:
    for entry in pc.value_counts(column.drop_null()).to_pylist():
        counter[entry["values"]] += entry["counts"]


def _doubtful(table: pa.Table, shard: int, most: int) -> Sequence[Doubtful]:
    places = pa.array(range(len(table)))
    answered = table.select(["id", "label_1", "probability_1"]).append_column("place", places)
    answered = answered.filter(pc.equal(table.column("status"), OK))
    order = pc.sort_indices(answered, [("probability_1", "ascending"), ("place", "ascending")])
    return [
        Doubtful(
            probability=round(row["probability_1"], 6),
            id=row["id"],
            label=row["label_1"],
            shard=shard,
            place=row["place"],
        )
        for row in answered.take(order[:most]).to_pylist()
    ]


def _most_first(entry: tuple[str, int]) -> tuple[int, str]:
    return -entry[1], entry[0]
