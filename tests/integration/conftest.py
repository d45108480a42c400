"""The main job, run small and for real: train on the sample → export → serve."""

import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from service.models.manifest import MANIFEST_FILE, Manifest
from tests.integration.running_service import ROOT, RunningService, running_service
from training.__main__ import main as training

SAMPLE = ROOT / "tests" / "data" / "fashion-mnist-sample"


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training run on the sample: by the command, in this process, which has loaded torch already."""
    output = tmp_path_factory.mktemp("runs") / "sample"
    sample = ["--dataset", "fashion-mnist-sample", "--data", str(SAMPLE), "--threads", "1"]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        patch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # set by the command; taken back afterwards
        patch.setattr(
            sys, "argv", ["recognition-train", "fit", "fashion_cnn", *sample, "--epochs", "3", "--output", str(output)]
        )
        with pytest.raises(SystemExit) as ended:
            training()
    assert not ended.value.code, said.getvalue()
    return output


@pytest.fixture(scope="session")
def models(run_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository that the real export has published to."""
    repository = tmp_path_factory.mktemp("models")
    line = [sys.executable, "-m", "export", str(run_directory), "--to", str(repository), "--data", str(SAMPLE)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return repository


@pytest.fixture(scope="session")
def two_models(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same repository with a second model: the same files under another name."""
    repository = tmp_path_factory.mktemp("two-models")
    for name in ("fashion_cnn", "fashion_twin"):
        source, package = models / "fashion_cnn" / "1", repository / name / "1"
        shutil.copytree(source, package)
        manifest = Manifest.from_bytes((source / MANIFEST_FILE).read_bytes()).model_copy(update={"name": name})
        (package / MANIFEST_FILE).write_bytes(manifest.to_bytes())
    return repository


@pytest.fixture(scope="package")
def service(models: Path) -> Iterator[RunningService]:
    """A running service, shared by the tests that leave it as it is."""
    with running_service(models) as running:
        yield running
