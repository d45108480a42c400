"""Fuzzes one target for so many seconds: with atheris where it is there and follows the coverage, else by mutation.

    .venv/bin/python -m tests.fuzz.run image --seconds 600
    make fuzz SECONDS_EACH=600

Exit code 0: nothing found. A finding is raised, and its input written to fuzz-TARGET.bin.
"""

import argparse
import importlib
import random
import sys
import time
from pathlib import Path

NAMES = ("image", "manifest", "tensors", "config", "graph", "frames")
"""Of the targets; targets.py is imported late, so that atheris can watch what it imports."""
CORPUS = Path(__file__).parent / "corpus"
LARGEST_BYTES = 65_536


def corpus_of(target: str) -> list[bytes]:
    """The files that a target starts from."""
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def mutation(seeds: list[bytes], chance: random.Random) -> bytes:
    """One seed with some of its bytes changed, cut out, doubled or taken from another."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at, length = chance.randrange(len(data) + 1), chance.choice((1, 2, 4, 16, 64))
        match chance.randrange(5):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at : at + length] = chance.randbytes(length)
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length] * chance.choice((1, 2, 20))
            case _:
                other = chance.choice(seeds)
                begin = chance.randrange(len(other) + 1)
                data[at:at] = other[begin : begin + length]
    return bytes(data[:LARGEST_BYTES])


def by_mutation(name: str, seconds: float) -> int:
    """Gives how many inputs were tried."""
    from tests.fuzz.targets import TARGETS

    seeds, chance, end, tried = corpus_of(name), random.Random(), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = mutation(seeds, chance)
        tried += 1
        try:
            TARGETS[name](data)
        except BaseException:
            Path(f"fuzz-{name}.bin").write_bytes(data)
            raise
    return tried


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    try:
        atheris = importlib.import_module("atheris")
    except ModuleNotFoundError:
        tried = by_mutation(arguments.target, arguments.seconds)
        print(f"{arguments.target}: {tried:,} mutated inputs in {arguments.seconds:g} s, nothing found")  # noqa: T201
        return
    with atheris.instrument_imports(include=["service", "PIL"]):
        from tests.fuzz.targets import TARGETS
    options = [f"-max_total_time={int(arguments.seconds)}", f"-max_len={LARGEST_BYTES}", "-rss_limit_mb=3000"]
    options += ["-timeout=20", f"-artifact_prefix=fuzz-{arguments.target}-", "-print_final_stats=1"]
    scratch = Path(f"/tmp/fuzz-corpus-{arguments.target}")  # noqa: S108 - what it finds on the way, kept for the next run
    scratch.mkdir(exist_ok=True)
    line = [sys.argv[0], *options, str(scratch), str(CORPUS / arguments.target)]
    atheris.Setup(line, TARGETS[arguments.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
