"""The kinds of files that rows can be written as."""

from enum import StrEnum


class Format(StrEnum):
    """Parquet, JSON lines or CSV, with the same columns."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"
