"""Puts a package into the repository: written beside its place, proved there, then renamed to the next free number.

A reader sees a whole package or none. Several may publish at once: the rename to a number that is taken fails, and the
next one is tried. What a killed export leaves is removed by a later one (staging.py).
"""

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

from export.draft import Draft
from export.errors import NameInvalid, PublicationFailed
from export.staging import remove_stale, staging
from export.triton import MARK, triton_files
from service.models.manifest import MANIFEST_FILE, NAME_PATTERN, Manifest, digest_of
from service.models.repository import ModelRepository, Package, PackageRefused
from service.models.signature import SIGNATURE_FILE
from service.models.triton_config import CONFIG_FILE

Prove = Callable[[Package], None]
"""Raises PublicationFailed where the service would refuse the package."""
Sign = Callable[[bytes], bytes]
"""The manifest's content in, its signature out."""

TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})
"""What a rename to a number that exists already fails with."""


def check_name(name: str) -> None:
    """Raises NameInvalid for what the repository would not take as the name of a model."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise NameInvalid(
            f"{name!r} cannot be the name of a model: use up to 64 letters, digits, dots, hyphens and underscores, "
            "and begin with a letter or digit"
        )


def newest(root: Path, name: str) -> Package | None:
    """The package with the highest number; None where there is none that could be served."""
    repository = ModelRepository(root)
    try:
        package = repository.open(name, repository.versions(name)[-1])
        package.check_files()
    except (OSError, IndexError, PackageRefused):
        return None
    return package


def publish(draft: Draft, root: Path, *, prove: Prove, sign: Sign | None = None) -> Package:
    """Publishes as the version after the highest. Raises PublicationFailed, having left nothing behind."""
    home = root / draft.manifest.name
    beside = triton_files(draft.manifest)
    try:
        home.mkdir(parents=True, exist_ok=True)
        remove_stale(home)
        with staging(home) as place, staging(home) as waiting:
            for directory, files in ((place, draft.files), (waiting, beside)):
                for file, content in files.items():
                    _write(directory / file, content)
            package = _number(draft.manifest, place, home, prove, sign)
            for file in beside:
                _renew(home / file, waiting / file, ours=_is_ours(home))
            return package
    except OSError as error:
        raise PublicationFailed(
            f"cannot write to {home}: {error.strerror or error}. Nothing was published; "
            "make room or mend the permissions there, or name another directory with --to"
        ) from error


def _number(manifest: Manifest, place: Path, home: Path, prove: Prove, sign: Sign | None) -> Package:
    """Renames the staged files to the first free number, with a manifest that says this number."""
    version = max(ModelRepository(home.parent).versions(home.name), default=0)
    proved = False
    while True:
        version += 1
        numbered = manifest.model_copy(update={"version": version})
        content = numbered.to_bytes()
        _write(place / MANIFEST_FILE, content)
        if sign is not None:
            _write(place / SIGNATURE_FILE, sign(content))
        if not proved:
            prove(Package(path=place, manifest=numbered, digest=digest_of(content)))
            proved = True
        _sync(place)
        try:
            place.rename(home / str(version))
        except OSError as error:
            if error.errno in TAKEN:
                continue
            raise
        _sync(home)
        return Package(path=home / str(version), manifest=numbered, digest=digest_of(content))


def _is_ours(home: Path) -> bool:
    """Whether the configuration beside the versions was written here, or there is none."""
    config = home / CONFIG_FILE
    return not config.exists() or config.read_bytes().startswith(MARK.encode())


def _renew(path: Path, fresh: Path, *, ours: bool) -> None:
    if ours or not path.exists():
        fresh.replace(path)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    """Makes the names in a directory outlive a power cut, where the system knows how."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
