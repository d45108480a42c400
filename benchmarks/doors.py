"""What several doors in processes could gain at most: a bare grpc.aio server in one process and in several on one port.

The doors of a service would do more than that, and would hand each call to the engine's process besides. Also asyncio's
own loop against uvloop. Calls a second, 32 in flight over 8 connections, and processor time of both sides.

Example: .venv/bin/python benchmarks/doors.py --json doors.json
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import statistics
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "proto")]

from recognition.oip import open_inference_pb2 as oip

from benchmarks.echo import running_echo
from benchmarks.load import WARM_SECONDS, Job, Load, run_load
from benchmarks.readers import MODEL_INFER
from benchmarks.report import Row, report

WAYS = (("asyncio", 1), ("uvloop", 1), ("uvloop", 2), ("uvloop", 3))
ROUNDS = 3
LABELS = 10
ANSWER = oip.ModelInferResponse(
    model_name="fashion_cnn",
    model_version="1",
    outputs=[oip.ModelInferResponse.InferOutputTensor(name="logits", datatype="FP32", shape=[1, LABELS])],
    raw_output_contents=[bytes(4 * LABELS)],
).SerializeToString()
REQUEST = oip.ModelInferRequest(
    model_name="fashion_cnn",
    inputs=[oip.ModelInferRequest.InferInputTensor(name="image", datatype="UINT8", shape=[1, 28, 28, 1])],
    raw_input_contents=[bytes(28 * 28)],
).SerializeToString()


def measure(loop: str, processes: int, seconds: float) -> tuple[Load, float]:
    """The load, and the processor seconds that all doors together spent on a call."""
    with running_echo(ANSWER, loop=loop, processes=processes) as (target, ids):
        job = Job(
            target=target,
            method=MODEL_INFER,
            requests=(REQUEST,),
            best=(((0,),),),
            seconds=seconds,
            in_flight=32,
            connections=8,
        )
        before = sum(_cpu(process) for process in ids)
        load = run_load(job)
        used = sum(_cpu(process) for process in ids) - before
    return load, used / load.calls * seconds / (seconds + WARM_SECONDS)


def _cpu(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=36, help="of measuring, shared by all rows and rounds")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    runs: dict[tuple[str, int], list[tuple[Load, float]]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            runs[way].append(measure(*way, given.seconds / ROUNDS / len(WAYS)))
    rows: list[Row] = [
        {
            "loop": loop,
            "processes": processes,
            "calls/s": statistics.median(load.calls_per_second for load, _ in found),
            "door CPU ms/call": 1000 * statistics.median(seconds for _, seconds in found),
            "client CPU ms/call": 1000 * statistics.median(load.client_cpu_seconds / load.calls for load, _ in found),
        }
        for (loop, processes), found in runs.items()
    ]
    report("doors", rows, file=given.json)


if __name__ == "__main__":
    main()
