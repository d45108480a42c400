"""Brings Fashion-MNIST into the cache: through torchvision, else out of the Debian package, without installing it.

Both ways end in a folder beside the cache that is renamed into place, so a broken download leaves nothing behind.
"""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from training.data.fashion_mnist import FILES, FULL, Release, load
from training.data.search import SYSTEM_DIRECTORY
from training.errors import DataMissing, TrainingError

PACKAGE = "dataset-fashion-mnist"
TIMEOUT_SECONDS = 20.0
"""Longest silence of the other side; a download that flows may take longer."""


def _by_torchvision(scratch: Path) -> Path:
    from torchvision.datasets import FashionMNIST

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        return Path(FashionMNIST(str(scratch), download=True).raw_folder)
    finally:
        socket.setdefaulttimeout(before)


def _by_apt(scratch: Path) -> Path:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise DataMissing("needs apt-get and dpkg-deb, which this machine lacks")
    try:
        _run(["apt-get", "--quiet", "download", PACKAGE], scratch)
    except subprocess.CalledProcessError:  # perhaps only for want of package lists: fetch our own
        lists = ["-o", f"Dir::State::Lists={scratch}/lists", "-o", f"Dir::Cache={scratch}/cache"]
        (scratch / "lists" / "partial").mkdir(parents=True)
        (scratch / "cache" / "archives" / "partial").mkdir(parents=True)
        _run(["apt-get", "--quiet", *lists, "update"], scratch)
        _run(["apt-get", "--quiet", *lists, "download", PACKAGE], scratch)
    (package,) = scratch.glob("*.deb")
    _run(["dpkg-deb", "--extract", package.name, "unpacked"], scratch)
    return scratch / "unpacked" / SYSTEM_DIRECTORY.relative_to("/")


WAYS: dict[str, Callable[[Path], Path]] = {
    "download by torchvision": _by_torchvision,
    f"apt-get download {PACKAGE}": _by_apt,
}
"""Each is given an empty folder and returns the one with the four compressed files."""


def download(target: Path, *, release: Release = FULL, ways: Mapping[str, Callable[[Path], Path]] = WAYS) -> Path:
    """Fetches and verifies the data set. Raises DataMissing with what each way said and what the user can provide."""
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for name, way in ways.items():
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as scratch:
            try:
                _publish(release, way(Path(scratch)), target)
            except (OSError, RuntimeError, subprocess.SubprocessError, TrainingError) as error:
                failures.append(f"  {name}: {_last_line(error)}")
            else:
                return target
    raise DataMissing(
        "Fashion-MNIST is not on this machine and could not be fetched:\n"
        + "\n".join(failures)
        + f"\nProvide one of these: a network; the Debian package ({PACKAGE}); "
        f"or a directory with {', '.join(f'{file}.gz' for file in FILES)}, named with --data DIR or put at {target}"
    )


def _publish(release: Release, source: Path, target: Path) -> None:
    load(release, source)
    staged = source.parent / "verified"
    staged.mkdir()
    for file in FILES:
        shutil.move(source / f"{file}.gz", staged)
    shutil.rmtree(target, ignore_errors=True)
    staged.rename(target)


def _run(command: list[str], directory: Path) -> None:
    subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True, timeout=300)  # noqa: S603 - fixed commands


def _last_line(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, subprocess.CalledProcessError):
        text = error.stderr or text
    return (text.strip().splitlines() or [type(error).__name__])[-1].strip()
