"""Keeps what is read inside of the model repository: a link that leads out of it would make any file a model's file."""

from pathlib import Path

from service.models.package import PackageRefused


def check_contained(root: Path, name: str, version: int) -> None:
    """Raises PackageRefused where a file of the version, or one beside the versions, leads out of the repository.

    Links inside of it are followed, as Kubernetes makes them. Files that are none (devices, pipes) are refused too.
    """
    real = root.resolve()
    directory = root / name
    try:
        # Names that begin with a dot are what is being written at the moment, and nothing reads them.
        visible = [path for path in directory.iterdir() if not path.name.startswith(".")]
        beside = [path for path in visible if path.is_symlink() or not path.is_dir()]
        for path in (directory, *beside, *(directory / str(version)).rglob("*")):
            found = path.resolve(strict=True)
            if not found.is_relative_to(real):
                raise PackageRefused(f"{path.relative_to(root)} is a link that leads out of the model repository")
            if not (found.is_file() or found.is_dir()):
                raise PackageRefused(f"{path.relative_to(root)} is no file")
    except OSError as error:
        where = "" if error.filename is None else f" at {Path(error.filename).name}"
        raise PackageRefused(f"{name}/{version} cannot be read{where}: {error.strerror}") from error
