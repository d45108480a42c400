"""Looks at all that a start needs, without starting: settings in, findings out, each with what to do about it."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata

import onnxruntime

from service import machine
from service.config import Settings
from service.engine.providers import CUDA_PROVIDER, Device, ProviderUnavailable, choose_provider
from service.engine.session import available_cores
from service.models.repository import ModelRepository, PackageRefused
from service.models.signature import KeysInvalid, read_trusted_keys

FEWEST_FILES = 4096
EARLIEST_YEAR = 2026
BYTES_OF_A_PROCESS = 250 * 2**20
"""Python, the libraries and ONNX Runtime before any model."""
BYTES_PER_PIXEL = 8
"""Decoded, and a copy while it is resized, of up to four channels."""


class Verdict(StrEnum):
    """How a check came out; a failure keeps the service from starting or from working."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check saw, and what to do where it is not well."""

    subject: str
    verdict: Verdict
    saw: str
    advice: str = ""


def examine(settings: Settings) -> list[Finding]:
    """All findings, in the order in which a start would meet them."""
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _runtime,
        _provider,
        _ports,
        _repository,
        _memory,
        _cores,
        _files,
        _clock,
    )
    return [finding for check in checks for finding in check(settings)]


def _ok(subject: str, saw: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.OK, saw=saw)


def _warning(subject: str, saw: str, advice: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.WARNING, saw=saw, advice=advice)


def _failure(subject: str, saw: str, advice: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.FAILURE, saw=saw, advice=advice)


def _runtime(_: Settings) -> Iterator[Finding]:
    installed = [name for name in ("onnxruntime", "onnxruntime-gpu") if _is_installed(name)]
    saw = f"{' and '.join(installed) or 'onnxruntime'} {onnxruntime.__version__}"
    if len(installed) > 1:
        yield _warning(
            "runtime", saw, "They overwrite each other: uninstall both, then install the one that the extra names."
        )
    else:
        yield _ok("runtime", saw)


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _provider(settings: Settings) -> Iterator[Finding]:
    try:
        provider = choose_provider(settings.device)
    except ProviderUnavailable as error:
        yield _failure("provider", str(error), "Install the driver and the extra `cuda`, or set device to cpu.")
        return
    saw = f"{provider.name}: {provider.reason}"
    if settings.device is Device.AUTO and provider.name != CUDA_PROVIDER:
        yield _warning("provider", saw, "If this machine has a GPU, mend that; else set device to cpu.")
    else:
        yield _ok("provider", saw)


def _ports(settings: Settings) -> Iterator[Finding]:
    ports = {"grpc_port": settings.grpc_port, "metrics_port": settings.metrics_port}
    if settings.http:
        ports["http_port"] = settings.http_port
    for name, port in ports.items():
        option = f"--{name.replace('_', '-')}"
        try:
            with socket.create_server((settings.host, port)) as server:
                yield _ok(name, f"{server.getsockname()[1]} on {settings.host} is free")
        except OSError as error:
            saw = f"{port} on {settings.host} cannot be bound: {error.strerror}"
            yield _failure(name, saw, f"Stop what listens there, or choose another port with {option}.")


def _repository(settings: Settings) -> Iterator[Finding]:
    try:
        trusted = read_trusted_keys(settings.trusted_keys)
    except KeysInvalid as error:
        yield _failure("trusted_keys", str(error), "Name a public key with --trusted-keys, or leave the setting out.")
        return
    if trusted is not None:
        yield _ok("trusted_keys", f"packages must be signed by one of {', '.join(trusted.names)}")
    repository = ModelRepository(settings.models, trusted=trusted)
    try:
        names = repository.names()
    except PackageRefused as error:
        yield _failure("models", str(error), "Name the repository with --models.")
        return
    if not names:
        yield _failure("models", f"{settings.models} holds no model", "Publish one with `recognition-export`.")
    for name in names:
        yield from _versions(repository, name)


def _versions(repository: ModelRepository, name: str) -> Iterator[Finding]:
    try:
        for version in repository.selected(name):
            if repository.is_plain(name, version):
                repository.open_plain(name, version)
                yield _ok(f"{name}/{version}", "an ONNX file without a manifest: served as tensors, nothing is proved")
                continue
            package = repository.open(name, version)
            package.check_files()
            yield _ok(f"{name}/{version}", f"{len(package.manifest.files)} files have their digests")
    except PackageRefused as error:
        yield _failure(name, str(error), "Publish it again, or point its aliases at another version.")


def _memory(settings: Settings) -> Iterator[Finding]:
    available = machine.available_bytes()
    needed = _bytes_needed(settings)
    saw = f"{_mebibytes(available)} available, up to {_mebibytes(needed)} needed"
    if available is not None and available < needed:
        yield _warning("memory", saw, "Give it more, or lower decode_threads, max_image_pixels or max_queue_images.")
    else:
        yield _ok("memory", saw)


def _bytes_needed(settings: Settings) -> int:
    """At worst: the process, the graphs with their working copies, pictures in decoding, and one full queue."""
    decoding = (settings.decode_threads or available_cores()) * settings.max_image_pixels * BYTES_PER_PIXEL
    graphs, largest_input = 0, 0
    repository = ModelRepository(settings.models)
    try:
        for name in repository.names():
            for version in repository.selected(name):
                if not repository.is_plain(name, version):
                    manifest = repository.open(name, version).manifest
                    graphs += 3 * max(record.size_bytes for record in manifest.files.values())
                    size = manifest.input.height * manifest.input.width * manifest.input.channels
                    largest_input = max(largest_input, size)
    except PackageRefused:
        pass  # `_repository` says so
    return BYTES_OF_A_PROCESS + decoding + graphs + settings.max_queue_images * largest_input


def _mebibytes(size: int | None) -> str:
    return "an unknown amount" if size is None else f"{size / 2**20:,.0f} MiB"


def _cores(settings: Settings) -> Iterator[Finding]:
    cores, quota = available_cores(), machine.core_quota()
    threads = settings.threads or cores
    saw = f"{cores} cores" + ("" if quota is None else f", of which the container may use {quota:g}")
    if quota is not None and threads > max(1.0, quota):
        yield _warning(
            "cores",
            saw,
            f"{threads} threads would be throttled: set threads and decode_threads to {max(1, int(quota))}.",
        )
    else:
        yield _ok("cores", saw)


def _files(_: Settings) -> Iterator[Finding]:
    limit = machine.open_file_limit()
    if limit is not None and 0 <= limit < FEWEST_FILES:
        yield _warning("open files", f"at most {limit}", f"Raise it (ulimit -n {FEWEST_FILES}): each client takes one.")
    else:
        yield _ok("open files", "no limit is known" if limit is None or limit < 0 else f"at most {limit:,}")


def _clock(_: Settings) -> Iterator[Finding]:
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    if time.gmtime().tm_year < EARLIEST_YEAR:
        yield _failure("clock", now, "Set the clock: certificates and the times in log and metrics depend on it.")
    elif machine.clock_is_kept() is False:
        yield _warning(
            "clock", f"{now}, kept by nobody", "Run an NTP client (on a container's host), so that logs agree."
        )
    else:
        yield _ok("clock", now)
