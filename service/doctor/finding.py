"""What one check of the doctor saw, and what to do where it is not well."""

from dataclasses import dataclass
from enum import StrEnum


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


def well(subject: str, saw: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.OK, saw=saw)


def warning(subject: str, saw: str, advice: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.WARNING, saw=saw, advice=advice)


def failure(subject: str, saw: str, advice: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.FAILURE, saw=saw, advice=advice)
