"""Regenerates the committed Python code from the .proto files: `make proto`, or with a target folder as argument."""

import importlib.resources
import os
import sys
from pathlib import Path

from google.rpc import status_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent


def generate(target: Path) -> None:
    """Writes messages, stubs and type information for every .proto file under `target`."""
    files = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.proto"))
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    # The plugins of protoc lie beside the interpreter, which need not be on the PATH.
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    google_rpc = Path(status_pb2.__file__).parents[2]
    code = protoc.main(
        [
            "protoc",
            f"--proto_path={ROOT}",
            f"--proto_path={well_known}",
            f"--proto_path={google_rpc}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet:{target}",
            *files,
        ]
    )
    if code != 0:
        sys.exit(code)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
