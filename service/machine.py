"""What this machine, or the container on it, has: memory, cores, open files, a clock that somebody sets, a driver.

None stands for what cannot be told here, as on another system than Linux.
"""

import ctypes
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
TIME_ERROR = 5
"""What adjtimex answers where nobody keeps the clock."""


def available_bytes(cgroup: Path = CGROUP) -> int | None:
    """Memory that this process may still take: what the system has, or what the container's limit leaves."""
    found = [_system_bytes(), _left_in_container(cgroup)]
    known = [value for value in found if value is not None]
    return min(known) if known else None


def core_quota(cgroup: Path = CGROUP) -> float | None:
    """Cores that the container may use; None without a limit."""
    if (text := _read(cgroup / "cpu.max")) is not None:
        quota, period = text.split()
        return None if quota == "max" else int(quota) / int(period)
    old_quota, old_period = _read(cgroup / "cpu/cpu.cfs_quota_us"), _read(cgroup / "cpu/cpu.cfs_period_us")
    if old_quota is None or old_period is None or int(old_quota) < 0:
        return None
    return int(old_quota) / int(old_period)


def open_file_limit() -> int | None:
    """File descriptors that this process may have; a connection takes one."""
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def clock_is_kept() -> bool | None:
    """Whether something (NTP, the hypervisor) keeps the system's clock right."""
    if sys.platform != "linux":
        return None
    buffer = ctypes.create_string_buffer(512)  # struct timex, all zero: only asks
    state = ctypes.CDLL(None).adjtimex(buffer)
    return None if state < 0 else state != TIME_ERROR


def cuda_of_driver() -> tuple[int, int] | None:
    """The newest CUDA that the installed NVIDIA driver can do; None without a driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    number = ctypes.c_int(0)
    if driver.cuDriverGetVersion(ctypes.byref(number)) != 0:
        return None
    return number.value // 1000, number.value % 1000 // 10


def give_back_memory() -> None:
    """What was freed goes back to the operating system; glibc keeps it otherwise, and loading a model frees a lot."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # another C library than glibc does so by itself
        trim(0)


def _system_bytes() -> int | None:
    for line in (_read(Path("/proc/meminfo")) or "").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _left_in_container(cgroup: Path) -> int | None:
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        most, now = _read(cgroup / limit), _read(cgroup / used)
        if most is not None and now is not None and most != "max":
            return max(0, int(most) - int(now))
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None
