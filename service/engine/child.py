"""What the processes are given that hostile bytes are handed to: no setting and no credential of the service."""

import os
import sys
from pathlib import Path

KEPT_VARIABLES = ("PATH", "LANG", "LD_LIBRARY_PATH")


def child_environment() -> dict[str, str]:
    """What Python needs to find the same modules, with one thread for the libraries."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([*(part for part in sys.path if part), str(root)])
    return kept | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
