"""Looks at all that a start needs, without starting: settings in, findings out, each with what to do about it."""

from collections.abc import Callable, Iterator

from service.config import Settings
from service.doctor.execution import look_at_driver, look_at_provider, look_at_runtime
from service.doctor.finding import Finding
from service.doctor.guards import look_at_certificates, look_at_tokens
from service.doctor.ports import look_at_ports, look_at_traces
from service.doctor.repository import look_at_models
from service.doctor.resources import look_at_clock, look_at_cores, look_at_files, look_at_memory

CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    look_at_runtime,
    look_at_driver,
    look_at_provider,
    look_at_tokens,
    look_at_certificates,
    look_at_ports,
    look_at_traces,
    look_at_models,
    look_at_memory,
    look_at_cores,
    look_at_files,
    look_at_clock,
)
"""In the order in which a start meets them."""


def examine(settings: Settings) -> list[Finding]:
    """All findings."""
    return [finding for check in CHECKS for finding in check(settings)]
