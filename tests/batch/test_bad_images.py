"""A folder in which one image of a hundred is broken, one is no image and one is huge: exactly those are marked."""

import struct
import zlib
from pathlib import Path

import pyarrow.dataset

from batch.engines.loaded_model import ModelChoice
from batch.job import Job, JobSettings
from batch.plan import Question
from batch.store import FolderStore
from service.engine.providers import Device
from tests.batch.conftest import console_of_nobody, write_pictures
from tests.batch.in_process_engine import InProcessEngine

IMAGES = 600


def huge() -> bytes:
    """A PNG of 100,000 × 100,000 pixels, as far as its header goes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def test_exactly_the_bad_ones_are_marked(models: Path, tmp_path: Path) -> None:
    """Of the huge ones half announce too many pixels and half are files of eleven megabytes, which are never read."""
    folder = write_pictures(tmp_path / "in", IMAGES)
    expected: dict[str, str] = {}
    for number, path in enumerate(sorted(folder.rglob("*.png"))):
        name = str(path.relative_to(folder))
        match number % 100:
            case 10:
                path.write_bytes(path.read_bytes()[:40])
                expected[name] = "IMAGE_UNREADABLE"
            case 40:
                path.write_text("a note that somebody left here")
                expected[name] = "IMAGE_UNREADABLE"
            case 70:
                path.write_bytes(huge())
                if number < IMAGES // 2:
                    with path.open("r+b") as file:
                        file.truncate(11 * 2**20)
                expected[name] = "IMAGE_TOO_LARGE"
    engine = InProcessEngine(ModelChoice(models=str(models), device=Device.CPU))
    settings = JobSettings(source=str(folder), question=Question(), shard_size=250)
    outcome = Job(settings, engine, FolderStore(tmp_path / "out"), console_of_nobody()).run()
    rows = pyarrow.dataset.dataset(tmp_path / "out").to_table().to_pylist()
    assert len(rows) == IMAGES
    assert {row["id"]: row["error"] for row in rows if row["status"] == "error"} == expected
    assert all(row["label_1"] for row in rows if row["status"] == "ok")
    assert outcome.summary is not None
    assert outcome.summary.reasons == {"IMAGE_UNREADABLE": 12, "IMAGE_TOO_LARGE": 6}
