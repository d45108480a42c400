"""The doctor on the models: keys, packages, digests."""

from collections.abc import Iterator

from service.config import Settings
from service.doctor.finding import Finding, failure, well
from service.models.repository import ModelRepository, PackageRefused
from service.models.signature import KeysInvalid, read_trusted_keys


def look_at_models(settings: Settings) -> Iterator[Finding]:
    try:
        trusted = read_trusted_keys(settings.trusted_keys)
    except KeysInvalid as error:
        yield failure("trusted_keys", str(error), "Name a public key with --trusted-keys, or leave the setting out.")
        return
    if trusted is not None:
        yield well("trusted_keys", f"packages must be signed by one of {', '.join(trusted.names)}")
    repository = ModelRepository(settings.models, trusted=trusted)
    try:
        names = repository.names()
    except PackageRefused as error:
        yield failure("models", str(error), "Name the repository with --models.")
        return
    if not names:
        yield failure("models", f"{settings.models} holds no model", "Publish one with `recognition-export`.")
    for name in names:
        yield from _versions(repository, name)


def _versions(repository: ModelRepository, name: str) -> Iterator[Finding]:
    """Each version that a start would load; one that is refused hides none of the others."""
    try:
        selected = repository.selected(name)
    except PackageRefused as error:
        yield failure(name, str(error), "Mend its aliases.json, or publish the version that is missing.")
        return
    for version in selected:
        try:
            yield well(f"{name}/{version}", _opened(repository, name, version))
        except PackageRefused as error:
            advice = "Publish it again, or point its aliases at another version."
            yield failure(f"{name}/{version}", str(error), advice)


def _opened(repository: ModelRepository, name: str, version: int) -> str:
    if repository.is_plain(name, version):
        repository.open_plain(name, version)
        return "an ONNX file without a manifest: served as tensors, nothing is proved"
    package = repository.open(name, version)
    package.check_files()
    return f"{len(package.manifest.files)} files have their digests"
