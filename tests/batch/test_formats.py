"""Parquet, JSON lines and CSV hold the same."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from batch.formats import CODECS, is_part, part_name
from batch.item import Chunk, Item, Named
from batch.kinds import Format
from batch.listing import ListedShard, as_table
from batch.plan import Question
from batch.table import schema, table_of
from tests.batch.fake_engine import MODEL, answer

QUESTION = Question(top_k=2, embeddings=True)
NAMES = ("id", "path", "status", "error", "label_1", "unknown", "width")
IMAGES = [Named(name, Item(path=f'/p/with "quotes", {name}.png')) for name in ("a0", "b1", "c2x", "Ä 3")]


@pytest.mark.parametrize("kind", Format)
def test_what_was_written_is_read_again(tmp_path: Path, kind: Format) -> None:
    chunk = Chunk(shard=0, start=0, items=tuple(named.item for named in IMAGES))
    table = table_of(ListedShard(as_table(IMAGES)), [answer(chunk, QUESTION)], QUESTION, MODEL)
    codec = CODECS[kind]
    codec.write(table, tmp_path / "a")
    codec.write(table, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    columns = [schema(QUESTION, MODEL).field(name) for name in (*NAMES, "probability_1")]
    again = codec.read(tmp_path / "a", pa.schema(columns))
    assert again.schema.names == [*NAMES, "probability_1"]
    for name in NAMES:
        assert again.column(name).to_pylist() == table.column(name).to_pylist(), name
    assert pc.max(pc.abs(pc.subtract(again.column("probability_1"), table.column("probability_1")))).as_py() < 1e-6


def test_text_has_short_numbers(tmp_path: Path) -> None:
    chunk = Chunk(shard=0, start=0, items=(IMAGES[1].item,))
    table = table_of(ListedShard(as_table(IMAGES[1:2])), [answer(chunk, QUESTION)], QUESTION, MODEL)
    CODECS[Format.JSONL].write(table, tmp_path / "a.jsonl")
    row = json.loads((tmp_path / "a.jsonl").read_text())
    assert (row["probability_1"], row["embedding"]) == (0.55, [1.0, -1.0])
    CODECS[Format.CSV].write(table, tmp_path / "a.csv")
    assert ",0.55," in (tmp_path / "a.csv").read_text()


def test_names_of_parts() -> None:
    assert part_name(7, Format.CSV) == "part-00007.csv"
    assert is_part("part-00007.csv")
    assert not is_part("_plan.json")
