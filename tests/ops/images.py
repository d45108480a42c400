"""Images of the Dockerfile, built for real and mounted, and how a command is run in one as its container would be."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.ops.tools import ROOT, run, tool

TAG = "localhost/recognition:test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The built image, mounted."""

    root: Path
    config: dict[str, Any]
    size: int

    @property
    def packages(self) -> Path:
        return self.root / "opt/recognition/lib/python3.11/site-packages"

    def line(self, command: Sequence[str], *, volumes: Sequence[str] = ()) -> list[str]:
        """Runs a command with the image's environment as uid 10001 on a read-only root; volumes are FROM:TO[:ro]."""
        script = [str(ROOT / "tests" / "ops" / "run_image.sh"), str(self.root), *volumes, "--"]
        place = [f"--chdir={self.config.get('WorkingDir') or '/'}", *self.config["Env"]]
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", *script, *place, *command]


@contextmanager
def built_image(scratch: Path, target: str) -> Iterator[Image]:
    """A target of the Dockerfile. IMAGE_SCRATCH names a directory that keeps the base from run to run.

    Skips the test where buildah, debootstrap or the rights of root are missing.
    """
    for name in ("buildah", "debootstrap", "unshare", "setpriv"):
        tool(name)
    if os.geteuid() != 0:
        pytest.skip("building an image and mounting it needs root")
    place = Path(os.environ.get("IMAGE_SCRATCH") or scratch)
    run(ROOT / "tests" / "ops" / "build_image.sh", place, "--target", target)
    with mounted_image(place, TAG) as image:
        yield image


@contextmanager
def mounted_image(place: Path, tag: str) -> Iterator[Image]:
    """An image of the store in `place`."""
    driver = (place / "driver").read_text(encoding="ascii").strip()
    store = ["--root", str(place / "store"), "--runroot", str(place / "run"), "--storage-driver", driver]
    buildah = ["buildah", *store]
    container = run(*buildah, "from", "--pull-never", tag).strip()
    try:
        root = Path(run(*buildah, "mount", container).strip())
        config = json.loads(run(*buildah, "inspect", "--type", "image", tag))["Docker"]["config"]
        yield Image(root=root, config=config, size=sum_of_sizes(root))
    finally:
        run(*buildah, "rm", container)


def sum_of_sizes(root: Path) -> int:
    """Bytes of all files, links counted once."""
    seen = {}
    for path in root.rglob("*"):
        state = path.lstat()
        seen[state.st_ino] = state.st_size
    return sum(seen.values())
