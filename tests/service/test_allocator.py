"""Freed memory is kept for the next large request."""

import subprocess
import sys

import pytest

FAULTS = """
import resource
from service.allocator import keep_freed_memory

kept = {keep}
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    pieces = [bytearray(8 * 2**20) for _ in range(3)]
    del pieces
began = faults()
for _ in range(10):
    pieces = [bytearray(8 * 2**20) for _ in range(3)]
    del pieces
print(kept, faults() - began)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own")
def test_large_pieces_are_found_again_without_a_fault() -> None:
    """Where the C library lets itself be told; by itself it faults in every page anew."""
    found = {}
    for keep in ("keep_freed_memory()", "False"):
        done = subprocess.run(
            [sys.executable, "-c", FAULTS.format(keep=keep)], capture_output=True, text=True, check=True, timeout=100
        )
        kept, faults = done.stdout.split()
        found[kept] = int(faults)
    if "True" in found:
        assert found["True"] < 0.2 * found["False"]
