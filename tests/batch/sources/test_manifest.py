"""Manifests: columns by their usual names or by the ones that are given; ids stay text."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch.errors import SourceInvalid
from batch.item import Named
from batch.sources.location import Location
from batch.sources.manifest import ManifestColumns, rows


def read(path: Path, columns: ManifestColumns | None = None) -> list[Named]:
    return list(rows(Location.of(str(path)), columns or ManifestColumns()))


def test_the_three_kinds_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,path,split\n007,a.png,x\n8,sub/b.png,y\n")
    (tmp_path / "m.jsonl").write_text('{"id": "007", "path": "a.png"}\n{"id": "8", "path": "sub/b.png"}\n')
    pq.write_table(pa.table({"path": ["a.png", "sub/b.png"], "id": ["007", "8"]}), tmp_path / "m.parquet")
    expected = [("007", str(tmp_path / "a.png")), ("8", str(tmp_path / "sub" / "b.png"))]
    for name in ("m.csv", "m.jsonl", "m.parquet"):
        assert [(named.id, named.item.path) for named in read(tmp_path / name)] == expected


def test_other_names_and_places(tmp_path: Path) -> None:
    """Absolute paths and URLs stand for themselves; without a column of ids the path is the id."""
    (tmp_path / "m.csv").write_text("where,number\n/data/a.png,1\ns3://bucket/b.png,2\n")
    (first, second) = read(tmp_path / "m.csv", ManifestColumns(path="where"))
    assert (first.id, first.item.path) == ("/data/a.png", "/data/a.png")
    assert (second.id, second.item.path) == ("s3://bucket/b.png", "s3://bucket/b.png")
    assert [named.id for named in read(tmp_path / "m.csv", ManifestColumns(path="where", id="number"))] == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("m.csv", "a,b\n1,2\n", "has the columns a, b; name the right one with --path-column"),
        ("m.csv", "id,path\n1,\n", "a row has no path"),
        ("m.csv", "id,path\n,a.png\n", "a row has no id"),
        ("m.jsonl", "nothing", "cannot be read as a manifest"),
        ("m.parquet", "nothing", "cannot be read as a manifest"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, content: str, complaint: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceInvalid, match=complaint):
        read(tmp_path / name)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,path\n1,a.png\n")
    with pytest.raises(SourceInvalid, match="--id-column"):
        read(tmp_path / "m.csv", ManifestColumns(id="key"))
