"""The memory of batch jobs of more and more images: the largest sum of what the command and its workers hold.

It is counted as proportional set size, so that what processes share counts once. Images that are there are listed over
and over where more are asked for.

Example: .venv/bin/python benchmarks/batch_memory.py --models var/models --model fashion_cnn --images photos/
"""

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
IMAGES = (1_000, 10_000, 60_000)


def memory(options: argparse.Namespace) -> None:
    files = sorted(str(path) for path in Path(options.images).rglob("*") if path.is_file())
    for count in options.counts or IMAGES:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
            manifest = Path(scratch) / "m.csv"
            lines = [f"{number},{files[number % len(files)]}" for number in range(count)]
            manifest.write_text("id,path\n" + "\n".join(lines) + "\n", encoding="utf-8")
            words = [str(manifest), "--output", f"{scratch}/out", "--models", options.models, "--model", options.model]
            command = [sys.executable, "-m", "batch", *words, "--shard-size", str(options.shard_size)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            peak = 0
            while process.poll() is None:
                peak = max(peak, _held_bytes(process.pid))
                time.sleep(0.1)
            print(
                f"{count:,} images: at most {peak / 2**20:,.0f} MiB in all processes (exit code {process.returncode})"
            )


def _held_bytes(pid: int) -> int:
    total = 0
    with suppress(psutil.NoSuchProcess):
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default="var/models")
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True, help="folder")
    parser.add_argument("--shard-size", type=int, default=10_000)
    parser.add_argument("counts", nargs="*", type=int, help="numbers of images; default: 1000 10000 60000")
    memory(parser.parse_args())


if __name__ == "__main__":
    main()
