"""Train → export → serve → classify: what was trained is what is served."""

import io
import json
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from PIL import Image
from recognition_client import Classification, RecognitionClient

from export.__main__ import main
from tests.integration.conftest import SAMPLE
from tests.integration.running_service import ROOT, RunningService
from training.checkpoint import Run


def png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def recognition(service: RunningService, *arguments: str) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "recognition_client", *arguments, "--server", service.target]
    return subprocess.run(line, capture_output=True, text=True, cwd=ROOT / "client", check=False)


def test_the_service_gives_the_labels_of_training(service: RunningService, run_directory: Path) -> None:
    """Every test image, as a PNG file over gRPC, gets the label that the model gave it in training."""
    run = Run.load(run_directory)
    test = run.load_splits(SAMPLE).test
    logits, _ = run.predictions("test")
    with RecognitionClient(service.target) as client:
        outcomes = client.batch_classify([png(pixels[:, :, 0]) for pixels in test.pixels], top_k=1)
    served = [outcome.predictions[0].index for outcome in outcomes if isinstance(outcome, Classification)]
    assert len(served) == len(test)
    assert np.mean(np.array(served) == logits.argmax(axis=1)) >= 0.999


def test_the_manifest_states_the_accuracy_of_the_run(models: Path, run_directory: Path) -> None:
    """The accuracy measured through the service's own path is the offline one."""
    manifest = json.loads((models / "fashion_cnn" / "1" / "manifest.json").read_bytes())
    offline = Run.load(run_directory).record.metrics["test"].accuracy
    assert abs(manifest["variants"]["fp32"]["metrics"]["accuracy"] - offline) <= 0.001


def test_the_command_line_classifies_lists_and_checks(service: RunningService, tmp_path: Path) -> None:
    """`recognition classify`, `models` and `health` work against the running service."""
    picture = tmp_path / "shoe.png"
    picture.write_bytes(png(np.full((28, 28), 90, dtype=np.uint8)))
    words = [["classify", str(picture), "--top-k", "3", "--json"], ["models"], ["health"], ["health", "fashion_cnn"]]
    with ThreadPoolExecutor(len(words)) as at_once:
        classified, listed, *checked = at_once.map(lambda arguments: recognition(service, *arguments), words)
    assert classified.returncode == 0, classified.stderr
    assert "fashion_cnn" in listed.stdout
    assert [check.returncode for check in checked] == [0, 0]


def test_the_metrics_are_scraped_over_http(service: RunningService) -> None:
    """The metrics port answers with the model's facts."""
    with urllib.request.urlopen(f"http://127.0.0.1:{service.metrics_port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    assert 'recognition_model_ready{model="fashion_cnn",version="1"} 1.0' in text
    assert "recognition_golden_max_abs_difference" in text


def test_reflection_describes_the_api(service: RunningService) -> None:
    """A generic gRPC tool finds the service and its methods with no .proto file."""
    with grpc.insecure_channel(service.target) as channel:
        services = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert {"recognition.v1.RecognitionService", "grpc.health.v1.Health"} <= set(services)


def test_exporting_again_does_no_work_twice(
    models: Path, run_directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same run is not published a second time. In this process, which has loaded torch already."""
    arguments = ["recognition-export", str(run_directory), "--to", str(models), "--data", str(SAMPLE)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, capsys.readouterr().err
    assert "already published as version 1" in capsys.readouterr().out
    assert [path.name for path in (models / "fashion_cnn").iterdir() if path.is_dir()] == ["1"]
