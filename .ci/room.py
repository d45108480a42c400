"""Whether the disk has room for packages before they are installed: for them, and for the archives they come in.

    python .ci/room.py .venv --packages 7.5 --archives 3.2

in gigabytes (10⁹ bytes). Exit code 0, or 1 with one line that says what is missing and what to do. What is in the
environment already counts as its share of both. It runs before anything is installed, so the standard library does.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

GB = 10**9


def missing(environment: Path, temporary: Path, *, packages: float, archives: float) -> str | None:
    """The sentence about what is short, in bytes of both; None where all has room."""
    share = max(0.0, 1.0 - size_of(environment) / packages)
    packages, archives = packages * share, archives * share
    here, beside = existing(environment), existing(temporary)
    elsewhere = "make setup TMPDIR=/a/folder/on/a/larger/disk"
    if here.stat().st_dev == beside.stat().st_dev:
        free = shutil.disk_usage(here).free
        if free < packages + archives:
            return (
                f"The packages need {gigabytes(packages + archives)} of the disk of {here}, {gigabytes(archives)} of "
                f"that only while pip works, in {temporary}; {gigabytes(free)} are free. Delete something there, or "
                f"give pip another place: {elsewhere}"
            )
        return None
    free = shutil.disk_usage(here).free
    if free < packages:
        return (
            f"The packages need {gigabytes(packages)} in {environment}; {gigabytes(free)} are free on its disk. Delete "
            "something there, or move the project to a larger disk"
        )
    free = shutil.disk_usage(beside).free
    if free < archives:
        return (
            f"pip needs {gigabytes(archives)} in {temporary} while it works; {gigabytes(free)} are free on its disk. "
            f"Delete something there, or give pip another place: {elsewhere}"
        )
    return None


def size_of(folder: Path) -> int:
    """Bytes of all files in it, 0 where it is not there; links are not followed."""
    return sum((Path(place) / file).lstat().st_size for place, _, files in os.walk(folder) for file in files)


def existing(folder: Path) -> Path:
    """It, or the nearest folder above it that is there."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def gigabytes(count: float) -> str:
    return f"{count / GB:.1f} GB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path)
    parser.add_argument("--packages", type=float, required=True, metavar="GB", help="what is installed")
    parser.add_argument("--archives", type=float, required=True, metavar="GB", help="what is downloaded for it")
    given = parser.parse_args()
    found = missing(
        given.environment,
        Path(os.environ.get("TMPDIR") or tempfile.gettempdir()),
        packages=given.packages * GB,
        archives=given.archives * GB,
    )
    if found:
        sys.exit(found)


if __name__ == "__main__":
    main()
