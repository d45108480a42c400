"""The doctor on what the machine gives: memory, cores, open files, a clock that is right."""

import time
from collections.abc import Iterator

from service import machine
from service.config import Settings
from service.doctor.finding import Finding, failure, warning, well
from service.engine.session import available_cores
from service.models.repository import ModelRepository, PackageRefused

FEWEST_FILES = 4096
EARLIEST_YEAR = 2026
BYTES_OF_A_PROCESS = 250 * 2**20
"""Python, the libraries and ONNX Runtime before any model."""
BYTES_PER_PIXEL = 8
"""Decoded, and a copy while it is resized, of up to four channels."""


def look_at_memory(settings: Settings) -> Iterator[Finding]:
    available = machine.available_bytes()
    needed = _bytes_needed(settings)
    saw = f"{_mebibytes(available)} available, up to {_mebibytes(needed)} needed"
    if available is not None and available < needed:
        yield warning("memory", saw, "Give it more, or lower decode_threads, max_image_pixels or max_queue_images.")
    else:
        yield well("memory", saw)


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
        pass  # the look at the models says so
    return BYTES_OF_A_PROCESS + decoding + graphs + settings.max_queue_images * largest_input


def _mebibytes(size: int | None) -> str:
    return "an unknown amount" if size is None else f"{size / 2**20:,.0f} MiB"


def look_at_cores(settings: Settings) -> Iterator[Finding]:
    cores, quota = available_cores(), machine.core_quota()
    threads = settings.threads or cores
    saw = f"{cores} cores" + ("" if quota is None else f", of which the container may use {quota:g}")
    if quota is not None and threads > max(1.0, quota):
        yield warning(
            "cores",
            saw,
            f"{threads} threads would be throttled: set threads and decode_threads to {max(1, int(quota))}.",
        )
    else:
        yield well("cores", saw)


def look_at_files(_: Settings) -> Iterator[Finding]:
    limit = machine.open_file_limit()
    if limit is not None and 0 <= limit < FEWEST_FILES:
        yield warning("open files", f"at most {limit}", f"Raise it (ulimit -n {FEWEST_FILES}): each client takes one.")
    else:
        yield well("open files", "no limit is known" if limit is None or limit < 0 else f"at most {limit:,}")


def look_at_clock(_: Settings) -> Iterator[Finding]:
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    if time.gmtime().tm_year < EARLIEST_YEAR:
        yield failure("clock", now, "Set the clock: certificates and the times in log and metrics depend on it.")
    elif machine.clock_is_kept() is False:
        yield warning(
            "clock", f"{now}, kept by nobody", "Run an NTP client (on a container's host), so that logs agree."
        )
    else:
        yield well("clock", now)
