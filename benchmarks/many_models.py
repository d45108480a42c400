"""The memory of a service with many models, against that of as many sessions of ONNX Runtime in a process of their own.

Both load the same ResNet-18 under as many names and have computed one picture with each; the memory is what the kernel
counts as theirs alone (USS), so that files which both map are no difference.

Example: .venv/bin/python benchmarks/many_models.py --models 20 --json many_models.json
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "proto"), str(ROOT / "client")]

from benchmarks.report import report
from service.engine.providers import CPU_PROVIDER
from service.models.manifest import MANIFEST_FILE, Precision
from service.models.repository import ModelRepository
from tests.integration.running_service import running_service

RESNET18 = "resnet18"
MIB = 2**20
OPTIONS = ("--device", "cpu", "--precision", "fp32", "--drain-seconds", "0")


def copy_package(models: Path, to: Path, name: str) -> None:
    """The same package under another name; the files are the same on disk."""
    source, target = models / RESNET18 / "1", to / name / "1"
    target.mkdir(parents=True)
    for file in source.iterdir():
        if file.name == MANIFEST_FILE:
            values = json.loads(file.read_text(encoding="utf-8")) | {"name": name}
            (target / file.name).write_text(json.dumps(values), encoding="utf-8")
        else:
            os.link(file, target / file.name) if file.stat().st_dev == to.stat().st_dev else shutil.copy(file, target)


def memory_of_sessions(models: Path, names: list[str]) -> float:
    """MiB of a process that holds raw sessions and nothing else of ours."""
    command = [sys.executable, __file__, "--hold", str(models), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def hold(models: Path, names: list[str]) -> None:
    """What `memory_of_sessions` starts: prints the MiB that so many sessions take."""
    repository = ModelRepository(models)
    held = []
    for name in names:
        manifest = repository.open(name, 1).manifest
        file = manifest.variant(Precision.FP32).file
        session = onnxruntime.InferenceSession(str(models / name / "1" / file), providers=[CPU_PROVIDER])
        spec = manifest.input
        session.run(None, {spec.tensor: np.zeros((1, spec.height, spec.width, spec.channels), dtype=np.uint8)})
        held.append(session)
    print(psutil.Process().memory_full_info().uss / MIB)


def main() -> None:
    if sys.argv[1:2] == ["--hold"]:
        hold(Path(sys.argv[2]), sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--root", type=Path, default=ROOT / "var" / "benchmarks", help="where the packages are kept")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    from benchmarks.packages import prepare_packages  # torch, which the process that is measured must not hold

    packages = prepare_packages(given.root)
    names = [f"model{place}" for place in range(given.models)]
    with tempfile.TemporaryDirectory(dir=given.root) as directory:
        models = Path(directory)
        for name in names:
            copy_package(packages, models, name)
        raw = memory_of_sessions(models, names)
        with running_service(models, *OPTIONS) as service:
            ours = psutil.Process(service.process.pid).memory_full_info().uss / MIB
    row = {"models": given.models, "service MiB": ours, "raw sessions MiB": raw, "ratio": ours / raw}
    report("many models", [row], file=given.json)


if __name__ == "__main__":
    main()
