"""A table of rows in a file: Parquet, JSON lines or CSV, the same columns in each, and back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq

from batch.kinds import Format
from batch.table import DECIMALS


def write_parquet(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd")


def write_jsonl(table: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in _short_numbers(table).to_pylist():
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_csv(table: pa.Table, path: Path) -> None:
    """Vectors as JSON lists, since CSV has none."""
    table = _short_numbers(table)
    if "embedding" in table.schema.names:
        texts = [None if vector is None else json.dumps(vector) for vector in table.column("embedding").to_pylist()]
        table = table.set_column(table.schema.get_field_index("embedding"), "embedding", pa.array(texts))
    pacsv.write_csv(table, path)


def _short_numbers(table: pa.Table) -> pa.Table:
    """Probabilities as text has them: 0.1 and not 0.10000000149."""
    for place, field in enumerate(table.schema):
        if field.type == pa.float32():
            column = table.column(place)
            values = np.round(column.to_numpy().astype(np.float64), DECIMALS)
            array = pa.array(values, mask=column.is_null().to_numpy())
            table = table.set_column(place, field.name, array)
    return table


def read_parquet(path: Path, schema: pa.Schema) -> pa.Table:
    """In this thread alone: the memory of others is kept for each of them."""
    with pq.ParquetFile(path) as file:
        return file.read(columns=schema.names, use_threads=False)


def read_jsonl(path: Path, schema: pa.Schema) -> pa.Table:
    options = pajson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    return pajson.read_json(path, parse_options=options, read_options=pajson.ReadOptions(use_threads=False))


def read_csv(path: Path, schema: pa.Schema) -> pa.Table:
    types: dict[str, Any] = {field.name: field.type for field in schema}
    options = pacsv.ConvertOptions(
        column_types=types, include_columns=schema.names, strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    return pacsv.read_csv(path, convert_options=options, read_options=pacsv.ReadOptions(use_threads=False))


@dataclass(frozen=True, slots=True)
class Codec:
    """How a format is written, and how some of its columns are read again for the summary."""

    write: Callable[[pa.Table, Path], None]
    read: Callable[[Path, pa.Schema], pa.Table]


CODECS: Mapping[Format, Codec] = MappingProxyType(
    {
        Format.PARQUET: Codec(write_parquet, read_parquet),
        Format.JSONL: Codec(write_jsonl, read_jsonl),
        Format.CSV: Codec(write_csv, read_csv),
    }
)


def part_name(shard: int, kind: Format) -> str:
    return f"part-{shard:05d}.{kind}"


def is_part(name: str) -> bool:
    return name.startswith("part-")
