"""The first load of a graph that nothing vouches for, in a process of its own: one that breaks the runtime, or needs
more memory or time than it may, is refused with the reason, and the service goes on.

Run as a module it is that process: it takes the graph from shared memory, loads it on the CPU and runs it once.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from service.engine.child import child_environment
from service.models.package import PackageRefused

MEMORY_BYTES = 2 * 2**30
"""Beside what the process has before, and four times the graph."""
SECONDS = 120.0
"""By the clock, and of the processor."""


def try_graph(graph: bytes, where: str, *, memory_bytes: int = MEMORY_BYTES, seconds: float = SECONDS) -> None:
    """Blocks until the trial is over. Raises PackageRefused; `where` names the file.

    What the runtime merely refuses is left to the load itself, which tells it in its own words.
    """
    descriptor = os.memfd_create("graph")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(graph)
        line = [sys.executable, "-m", "service.models.trial", str(descriptor), str(memory_bytes), str(int(seconds))]
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            line, pass_fds=(descriptor,), env=child_environment(), capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PackageRefused(f"{where} took longer than {seconds:g} s to be loaded and run once") from error
    finally:
        os.close(descriptor)
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise PackageRefused(f"{where} broke the runtime that tried it, in a process of its own ({name})")
    if done.returncode == NO_MEMORY:
        raise PackageRefused(f"{where} needs more than {memory_bytes / 2**30:g} GiB to be loaded and run once")


NO_MEMORY = 3


def _run(graph: bytes) -> None:
    import numpy as np

    from service.engine.providers import CPU_PROVIDER
    from service.engine.session import open_runtime
    from service.engine.tensor_session import TensorSession

    runtime = open_runtime(graph, provider=CPU_PROVIDER, threads=1)
    session = TensorSession(runtime)
    inputs = {
        spec.name: np.zeros([size if size > 0 else 1 for size in spec.shape], dtype=spec.datatype.dtype)
        for spec in session.inputs
    }
    session.run(inputs)


def _is_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "alloc" in str(error).lower()


def main() -> int:
    """Ends with 0 where the graph ran or was refused by the runtime, with NO_MEMORY, or not by itself."""
    descriptor, memory_bytes, seconds = (int(argument) for argument in sys.argv[1:4])
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        graph = file.read()
    import onnxruntime  # noqa: F401 - before the limit, which counts from here

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + 4 * len(graph) + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        _run(graph)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the load itself says it better
        print(json.dumps({"error": type(error).__name__}))  # noqa: T201 - for whoever runs it by hand
        return NO_MEMORY if _is_of_memory(error) else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
