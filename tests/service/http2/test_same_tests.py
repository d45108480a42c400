"""The tests of the API once more, at the second gRPC door: what they say of the first holds for it too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
OF_THE_FIRST_ONLY = (
    "tests/service/api/test_health.py::test_a_server_that_has_not_loaded_is_not_serving",
    "tests/service/api/rest/test_probes.py::test_not_ready_before_the_models_are_there_and_after_the_shutdown_began",
)
"""They start one door by themselves."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_second_door_passes_the_tests_of_the_first() -> None:
    """In a process of its own, where every channel leads to it."""
    where = ["tests/service/api", "tests/service/test_server.py", "tests/service/test_metrics.py"]
    left_out = [argument for test in OF_THE_FIRST_ONLY for argument in ("--deselect", test)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *where, *left_out],
        cwd=ROOT,
        env=os.environ | {"GRPC_DOOR": "fast_grpc_port"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
