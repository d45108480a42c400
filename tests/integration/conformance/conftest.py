"""A service with a package and plain models of every kind, and what runs tritonclient against it.

tritonclient pins another protobuf and registers messages of the same names, so it lives in an environment of its own,
which `make test` creates from the locked requirements here.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.integration.running_service import ROOT, RunningService, running_service
from tests.service import plain_models
from tests.service.api.auth.keys import ALL, TOKENS, write_tokens
from tests.service.certificates import Authority
from tests.service.packages import PackageRecipe

PYTHON = ROOT / ".venv" / "conformance" / "bin" / "python"
RUN = "tests.integration.conformance.checks.run"
SECOND_DOOR = ("--fast-grpc-port", "0")
DENSE = """
name: "dense"
platform: "onnxruntime_onnx"
max_batch_size: 0
input [ { name: "image" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 2, 2 ] reshape { shape: [ 1, 3, 2, 2 ] } } ]
output [
  {
    name: "scores"
    data_type: TYPE_FP32
    dims: [ 12 ]
    reshape { shape: [ 1, 12, 1, 1 ] }
    label_filename: "labels.txt"
  }
]
optimization { graph { level: 1 } }
instance_group [ { count: 2 kind: KIND_CPU } ]
"""


@pytest.fixture(scope="package")
def open_inference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Loads and unloads models by request."""
    root = tmp_path_factory.mktemp("repository")
    PackageRecipe().write(root)
    for datatype in plain_models.ONNX_TYPES:
        graph = plain_models.identity(datatype)
        plain_models.write(root, f"identity_{datatype.lower()}", graph, labels_txt="a\nb\nc\n")
    plain_models.write(root, "pair", plain_models.sum_and_difference())
    plain_models.write(root, "total", plain_models.total())
    labels = "\n".join(f"l{index}" for index in range(12))
    plain_models.write(root, "dense", plain_models.flattened(), config_pbtxt=DENSE, labels_txt=labels)
    plain_models.write(root, "one_by_one", plain_models.flattened(), config_pbtxt=ONE_BY_ONE, labels_txt=labels)
    with running_service(root, "--model-control", "explicit", *SECOND_DOOR) as service:
        yield service


ONE_BY_ONE = """
platform: "onnxruntime_onnx"
max_batch_size : 1
input [ { name: "image" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 2, 2 ] } ]
output [
  { name: "scores" data_type: TYPE_FP32 dims: [ 12 ] reshape { shape: [ 12, 1, 1 ] } label_filename: "labels.txt" }
]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secure:
    """A service that speaks TLS and asks for a token."""

    service: RunningService
    root_certificate: Path


@pytest.fixture(scope="package")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """Only callers with a token and the authority's certificate get in."""
    directory = tmp_path_factory.mktemp("secure")
    PackageRecipe().write(directory / "models")
    authority = Authority()
    files = authority.write(directory)
    (directory / "root.pem").write_bytes(authority.root)
    tokens = write_tokens(directory / "tokens.toml", TOKENS)
    options = ("--tls-certificate", files.certificate, "--tls-key", files.key, "--tokens", tokens, *SECOND_DOOR)
    with running_service(directory / "models", *map(str, options)) as service:
        yield Secure(service=service, root_certificate=directory / "root.pem")


class RunChecks(Protocol):
    def __call__(self, door: str, *, second: bool) -> str: ...


@pytest.fixture(scope="session")
def tritonclient() -> Path:
    """The Python that has it; asked for before any service is started."""
    if not PYTHON.exists():
        pytest.skip("tritonclient's environment is not there; `make conformance` creates it where packages can be had")
    return PYTHON


@pytest.fixture(scope="package")
def run_checks(tritonclient: Path, open_inference: RunningService, secure: Secure) -> RunChecks:
    """Runs every check of one door in tritonclient's environment, also at the second gRPC port; what it prints."""
    ports = {
        "grpc": (open_inference.grpc_port, open_inference.fast_grpc_port),
        "grpc_infer": (open_inference.grpc_port, open_inference.fast_grpc_port),
        "aio": (open_inference.grpc_port, open_inference.fast_grpc_port),
        "http": (open_inference.http_port, 0),
        "secure": (secure.service.grpc_port, secure.service.fast_grpc_port),
    }
    environment = os.environ | {
        "CHECK_ROOT_CERTIFICATE": str(secure.root_certificate),
        "CHECK_TOKEN": ALL,
        "CHECK_HTTP_URL": f"localhost:{secure.service.http_port}",
    }

    def run(door: str, *, second: bool) -> str:
        command: list[Any] = [tritonclient, "-m", RUN, door, f"localhost:{ports[door][second]}"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
