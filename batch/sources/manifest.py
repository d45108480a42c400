"""Images by a table: CSV, Parquet or JSON lines with a column of paths or URLs, and one of ids where there is one."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq

from batch.errors import SourceInvalid
from batch.item import Item, Named
from batch.sources.location import Location

MANIFESTS = (".csv", ".parquet", ".jsonl", ".ndjson")
KNOWN_PATHS = ("path", "url", "file", "image")
KNOWN_IDS = ("id", "image_id", "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestColumns:
    """Which columns to read; left out, the usual names are tried."""

    path: str | None = None
    id: str | None = None


def rows(place: Location, columns: ManifestColumns) -> Iterator[Named]:
    """Relative paths are relative to the manifest; without a column of ids the path is the id. Raises SourceInvalid."""
    path_column = id_column = ""
    for batch in _batches(place):
        if not path_column:
            path_column = _column(place, batch.schema.names, columns.path, KNOWN_PATHS, "--path-column")
            given = columns.id is not None or any(name in batch.schema.names for name in KNOWN_IDS)
            id_column = (
                _column(place, batch.schema.names, columns.id, KNOWN_IDS, "--id-column") if given else path_column
            )
        for path, name in zip(_texts(batch, path_column), _texts(batch, id_column), strict=True):
            if not path or not name:
                raise SourceInvalid(f"{place.url}: a row has no {id_column if path else path_column}")
            yield Named(name, Item(path=place.beside(path)))


def _batches(place: Location) -> Iterator[pa.RecordBatch]:
    try:
        with place.fs.open(place.path, "rb") as file:
            match place.suffix:
                case ".parquet":
                    yield from pq.ParquetFile(file).iter_batches()
                case ".csv":
                    # Every column as text: an id such as 007 is no number.
                    names = pacsv.open_csv(file).schema.names
                    file.seek(0)
                    texts = pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
                    yield from pacsv.open_csv(file, convert_options=texts)
                case _:
                    yield from pajson.read_json(file).to_batches()
    except (OSError, pa.ArrowInvalid) as error:
        first_line = str(error).partition("\n")[0]
        raise SourceInvalid(f"{place.url} cannot be read as a manifest: {first_line}") from error


def _column(place: Location, names: list[str], wanted: str | None, known: tuple[str, ...], option: str) -> str:
    found = [name for name in ((wanted,) if wanted else known) if name in names]
    if found:
        return found[0]
    there = ", ".join(names)
    raise SourceInvalid(f"{place.url} has the columns {there}; name the right one with {option}")


def _texts(batch: pa.RecordBatch, column: str) -> list[str | None]:
    values: list[str | None] = batch.column(column).cast(pa.string()).to_pylist()
    return values
