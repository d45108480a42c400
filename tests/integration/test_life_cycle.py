"""The life of a service process: refused starts, a clean end under load, a start without torch."""

import asyncio
import io
import itertools
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import grpc
from PIL import Image
from recognition.v1 import recognition_pb2 as pb
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub
from recognition_client import AsyncRecognitionClient, RecognitionClient, RecognitionError

from service.models.manifest import digest_of
from tests.integration.running_service import ROOT, RunningService, running_service

WITHOUT_TRAINING = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "torchmetrics", "safetensors", "onnx", "onnxscript"}:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Absent())
from service.__main__ import main
main()
"""


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (28, 28), 100).save(buffer, "PNG")
    return buffer.getvalue()


def test_one_flipped_bit_is_refused_at_start(models: Path, tmp_path: Path) -> None:
    """The start fails with one line that names the file and both digests."""
    damaged = tmp_path / "models"
    shutil.copytree(models, damaged)
    graph = damaged / "fashion_cnn" / "1" / "model.onnx"
    content = bytearray(graph.read_bytes())
    before = digest_of(bytes(content))
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    arguments = [
        sys.executable,
        "-m",
        "service",
        "--models",
        str(damaged),
        "--grpc-port",
        "0",
        "--no-http",
        "--metrics-port",
        "0",
    ]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "fashion_cnn/1/model.onnx" in last
    assert before in last
    assert digest_of(bytes(content)) in last


def test_sigterm_under_load_loses_no_accepted_request(models: Path) -> None:
    """Requests that flow while the service is told to stop are all answered; it ends with exit code 0."""
    answered: list[int] = []
    lost: list[str] = []
    flowing = threading.Event()

    def flow(target: str) -> None:
        with RecognitionClient(target, max_attempts=1) as client:
            for number in range(100_000):
                try:
                    client.classify(picture(), top_k=1)
                except RecognitionError as error:
                    if error.code.name != "UNAVAILABLE":  # the door was closed before the call came in
                        lost.append(str(error))
                    return
                answered.append(number)
                if len(answered) >= 50:
                    flowing.set()

    with running_service(models, "--drain-seconds", "0.5") as service:
        threads = [threading.Thread(target=flow, args=(service.target,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        assert flowing.wait(60)
        service.terminate()
        code = service.wait()
        for thread in threads:
            thread.join(60)
    assert code == 0
    assert lost == []
    assert len(answered) >= 50
    assert totals(service)["answered"] == len(answered)


def test_sigterm_ends_open_streams_with_every_image_that_was_read_answered(models: Path) -> None:
    """Streams that would go on for ever get SHUTTING_DOWN soon, and the service ends with exit code 0."""
    ends: list[grpc.RpcError] = []
    answered: list[int] = []
    flowing = threading.Event()

    def flow(target: str) -> None:
        request = pb.ClassifyStreamRequest(id="a", image=picture())
        with grpc.insecure_channel(target) as channel:
            try:
                for _ in RecognitionServiceStub(channel).ClassifyStream(itertools.repeat(request), timeout=60):
                    answered.append(1)
                    if len(answered) > 100:
                        flowing.set()
            except grpc.RpcError as error:
                ends.append(error)

    with running_service(models, "--drain-seconds", "0.2", "--grace-seconds", "600") as service:
        threads = [threading.Thread(target=flow, args=(service.target,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert flowing.wait(60)
        service.terminate()
        assert service.wait() == 0  # far sooner than the grace period
        for thread in threads:
            thread.join(60)
    assert [end.code() for end in ends] == [grpc.StatusCode.UNAVAILABLE] * 4
    assert all("shutting down" in (end.details() or "") for end in ends)
    images = next(line for line in service.log if '"stopped"' in line)
    assert "Traceback" not in "".join(service.log), images


def test_a_burst_is_answered_or_refused_with_a_reason(models: Path) -> None:
    """2,000 calls at once: each has its answer or QUEUE_FULL, and none is dropped without a word."""
    image = picture()

    async def burst(target: str) -> list[object]:
        async with AsyncRecognitionClient(target, max_attempts=1, timeout_seconds=60) as client:
            await client.health()
            calls = (client.classify(image, top_k=1) for _ in range(2000))
            return await asyncio.gather(*calls, return_exceptions=True)

    with running_service(models) as service:
        outcomes = asyncio.run(burst(service.target))
    reasons = {outcome.reason for outcome in outcomes if isinstance(outcome, RecognitionError)}
    assert reasons <= {"QUEUE_FULL", "DEADLINE_UNREACHABLE"}
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) >= 1000


def totals(service: RunningService) -> dict[str, int]:
    """What the service says of its calls in its last log line."""
    last = json.loads(service.log[-1])
    assert last["event"] == "stopped"
    return {name: int(last[name]) for name in ("ended", "answered")}


def test_the_service_runs_where_torch_cannot_be_imported(models: Path) -> None:
    """With torch, onnx and their kin missing, the service starts and answers."""
    command = (sys.executable, "-c", WITHOUT_TRAINING)
    with running_service(models, "--drain-seconds", "0", command=command) as service:
        with RecognitionClient(service.target) as client:
            assert client.classify(picture()).model.name == "fashion_cnn"
        service.terminate()
        assert service.wait() == 0
