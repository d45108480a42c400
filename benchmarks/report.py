"""How every benchmark here reports: one table on the terminal, the same rows as JSON beside it, and what it ran on."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import onnxruntime
from rich.console import Console
from rich.table import Table

Value = str | int | float | None
Row = Mapping[str, Value]


def report(title: str, rows: Sequence[Row], *, file: Path | None) -> None:
    """Numbers are rounded for people and kept for JSON."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(*names, title=f"{title} ({machine()})")
    for row in rows:
        table.add_row(*(_text(row.get(name)) for name in names))
    Console(width=200).print(table)
    if file is not None:
        content = {"title": title, "machine": machine(), "date": datetime.now(UTC).isoformat(), "rows": list(rows)}
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def machine() -> str:
    """Processor, cores, load, versions."""
    cores = len(os.sched_getaffinity(0))
    load, versions = os.getloadavg()[0], f"Python {platform.python_version()}, ONNX Runtime {onnxruntime.__version__}"
    return f"{cores} cores of {_processor()}, load {load:.1f}, {versions}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)
