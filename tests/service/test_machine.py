"""What the machine or the container has (service/machine.py), read from control groups as the kernel writes them."""

import ctypes
import resource
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.machine import (
    available_bytes,
    clock_is_kept,
    core_quota,
    cuda_of_driver,
    give_back_memory,
    open_file_limit,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")


def group(root: Path, **files: str) -> Path:
    """A control group's directory; __ stands for a slash, _dot_ for a dot."""
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n", encoding="ascii")
    return root


def test_a_container_has_what_its_limit_leaves(tmp_path: Path) -> None:
    """Version 2 and version 1; never less than nothing."""
    assert available_bytes(group(tmp_path / "v2", memory_dot_max="5000", memory_dot_current="2000")) == 3000
    old = group(
        tmp_path / "v1", memory__memory_dot_limit_in_bytes="5000", memory__memory_dot_usage_in_bytes="6000"
    )  # fmt: skip
    assert available_bytes(old) == 0


def test_without_a_limit_the_system_counts(tmp_path: Path) -> None:
    """No control group, or one that says max."""
    nothing = available_bytes(tmp_path)
    unlimited = available_bytes(group(tmp_path / "v2", memory_dot_max="max", memory_dot_current="2000"))
    assert nothing is not None
    assert unlimited is not None
    assert nothing > 2**20
    assert unlimited > 2**20


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu_dot_max": "150000 100000"}, 1.5),
        ({"cpu_dot_max": "max 100000"}, None),
        ({"cpu__cpu_dot_cfs_quota_us": "200000", "cpu__cpu_dot_cfs_period_us": "100000"}, 2.0),
        ({"cpu__cpu_dot_cfs_quota_us": "-1", "cpu__cpu_dot_cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_the_quota_is_in_cores(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    """Microseconds of processor time a period."""
    assert core_quota(group(tmp_path, **files)) == quota


def test_the_limit_of_open_files_is_the_process_s_own() -> None:
    assert open_file_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_the_kernel_says_whether_the_clock_is_kept() -> None:
    """Asking changes nothing and needs no rights."""
    assert clock_is_kept() in {True, False, None}


class FakeDriver:
    """NVIDIA's library as far as it is asked."""

    def __init__(self, _name: str) -> None:
        """Loaded by any name."""

    def cuDriverGetVersion(self, number: Any) -> int:  # noqa: N802 - the driver's name
        number._obj.value = 13010
        return 0


def test_the_driver_says_which_cuda_it_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand for each major version, ten for each minor one; a machine without a driver says nothing."""

    def missing(_name: str) -> None:
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", FakeDriver)
    assert cuda_of_driver() == (13, 1)
    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert cuda_of_driver() is None


def test_what_was_freed_is_given_back() -> None:
    """A heap of small pieces, of which the last one is kept, so that the C library cannot shrink it by itself."""
    heap = [bytes(500) for _ in range(400_000)]
    kept = heap[::1000]
    del heap
    before = psutil.Process().memory_info().rss
    give_back_memory()
    assert psutil.Process().memory_info().rss < before
    assert len(kept) == 400
