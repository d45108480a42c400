"""An environment for machines with Python and torch but no package index: wheels, and links to all that is there.

    python3 benchmarks/gpu_site.py WHEELS TARGET [--without NAME …]

TARGET becomes a virtual environment that holds the wheels, and of the packages of the Python that runs this all that
the wheels do not bring. Links and not `--system-site-packages`, since there is a package among them that must not be
seen: another onnxruntime than that of the wheels, with which the service refuses to start. `--without` leaves out
folders too; so it makes the environment in which CUDA's libraries are missing.
"""

import argparse
import re
import subprocess
import sys
import venv
from pathlib import Path

METADATA = re.compile(r"^(?P<name>.+?)-[^-]+\.(dist-info|egg-info)$")
RUNTIMES = frozenset({"onnxruntime", "onnxruntime_gpu", "onnxruntime_openvino"})
LEFT_OUT = frozenset({"__pycache__", "_distutils_hack", "distutils-precedence.pth"})


def fill(wheels: Path, target: Path, without: frozenset[str]) -> Path:
    """The interpreter of the environment."""
    venv.create(target, with_pip=False, symlinks=True)
    site = next((target / "lib").glob("python3*")) / "site-packages"
    files = [str(file) for file in sorted(wheels.glob("*.whl"))]
    install = ["install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--target", str(site)]
    if files:
        subprocess.run([sys.executable, "-m", "pip", *install, *files], check=True)
    brought = {name for entry in site.iterdir() if (name := _package(entry.name)) is not None}
    left_out = LEFT_OUT | without | (RUNTIMES if brought & RUNTIMES else frozenset())
    for source in (Path(place) for place in sys.path if place.endswith(("site-packages", "dist-packages"))):
        for entry in source.iterdir() if source.is_dir() else ():
            name = _package(entry.name)
            if entry.name not in left_out and name not in brought | left_out and not (site / entry.name).exists():
                (site / entry.name).symlink_to(entry)
    return target / "bin" / "python"


def _package(entry: str) -> str | None:
    """The name of the package that a folder of metadata belongs to."""
    found = METADATA.match(entry)
    return None if found is None else re.sub(r"[-_.]+", "_", found["name"]).lower()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--without", nargs="*", default=[], help="entries of site-packages that are not linked")
    given = parser.parse_args()
    print(fill(given.wheels, given.target, frozenset(given.without)))


if __name__ == "__main__":
    main()
