"""The rows of a shard: what was listed and what the engine said in, an Arrow table out, the same for every format."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from batch.listing import ListedShard
from batch.plan import Model, Question
from batch.results import Results

DECIMALS = 6
"""Of a probability. What lies beyond differs with the device, and says nothing."""
OK, ERROR = "ok", "error"


def columns_for(question: Question, model: Model) -> int:
    """How many labels a row has."""
    return min(question.top_k, len(model.labels))


def schema(question: Question, model: Model) -> pa.Schema:
    text, names = pa.string(), range(1, columns_for(question, model) + 1)
    fields = [("id", text), ("path", text), ("status", text), ("error", text), ("error_message", text)]
    for number in names:
        fields += [(f"label_{number}", text), (f"probability_{number}", pa.float32())]
    fields += [("unknown", pa.bool_()), ("model", text), ("version", pa.int32()), ("digest", text)]
    fields += [("width", pa.int32()), ("height", pa.int32())]
    if question.timings:
        fields.append(("decode_ms", pa.float32()))
    if question.embeddings:
        fields.append(("embedding", pa.list_(pa.float32(), model.embedding_size)))
    return pa.schema(fields)


def table_of(images: ListedShard, parts: Sequence[Results], question: Question, model: Model) -> pa.Table:
    """One row for each image of the shard, in its order; `parts` cover it from its first place to its last."""
    ordered = sorted(parts, key=lambda part: part.start)
    assert [part.start for part in ordered] == _starts(ordered), "chunks neither overlap nor leave gaps"  # noqa: S101
    assert sum(map(len, ordered)) == len(images)  # noqa: S101 - so says the plan
    faults = {part.start + place: fault for part in ordered for place, fault in part.faults.items()}
    failed = np.zeros(len(images), dtype=np.bool_)
    failed[list(faults)] = True
    columns: list[pa.Array] = [
        images.ids,
        images.places,
        pa.array([ERROR if bad else OK for bad in failed.tolist()]),
        pa.array([faults[place].reason if place in faults else None for place in range(len(images))]),
        pa.array([faults[place].sentence if place in faults else None for place in range(len(images))]),
    ]
    columns += _answers(ordered, failed, model)
    columns += [
        pa.array([model.name] * len(images)),
        pa.array(np.full(len(images), model.version, dtype=np.int32)),
        pa.array([model.digest] * len(images)),
        *_sizes(np.concatenate([part.sizes for part in ordered])),
    ]
    columns += _extras(ordered, failed, question, model)
    wanted = schema(question, model)
    arrays = [column.cast(field.type) for column, field in zip(columns, wanted, strict=True)]
    return pa.Table.from_arrays(arrays, schema=wanted)


def _starts(parts: Sequence[Results]) -> list[int]:
    ends = np.cumsum([0, *map(len, parts)])
    return [int(end) for end in ends[:-1]]


def _answers(parts: Sequence[Results], failed: npt.NDArray[np.bool_], model: Model) -> list[pa.Array]:
    labels = np.concatenate([part.labels for part in parts])  # (images, k)
    probabilities = np.concatenate([part.probabilities for part in parts])
    rounded = np.round(probabilities.astype(np.float64), DECIMALS).astype(np.float32)
    names = pa.array(model.labels, pa.string())
    columns = []
    for place in range(labels.shape[1]):
        columns.append(names.take(pa.array(labels[:, place], mask=failed)))
        columns.append(pa.array(rounded[:, place], mask=failed))
    columns.append(pa.array(np.concatenate([part.unknown for part in parts]), mask=failed))
    return columns


def _sizes(sizes: npt.NDArray[np.int32]) -> list[pa.Array]:
    unsaid = sizes[:, 0] == 0
    return [pa.array(sizes[:, 0], mask=unsaid), pa.array(sizes[:, 1], mask=unsaid)]


def _extras(
    parts: Sequence[Results], failed: npt.NDArray[np.bool_], question: Question, model: Model
) -> list[pa.Array]:
    columns = []
    if question.timings:
        times = [part.decode_ms for part in parts if part.decode_ms is not None]
        columns.append(pa.array(np.concatenate(times), mask=failed))
    if question.embeddings:
        vectors = np.concatenate([part.embeddings for part in parts if part.embeddings is not None])
        columns.append(
            pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), model.embedding_size, mask=pa.array(failed))
        )
    return columns
