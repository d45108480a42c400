"""The tokens of the tests: one that may do everything, one for a single model, one that is slow, one unknown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.api.auth.tokens import entry

ALL = "rec_CANARY-everything-0123456789"
THIRDS_ONLY = "rec_CANARY-thirds-0123456789"
SLOW = "rec_CANARY-slow-0123456789"
UNKNOWN = "rec_CANARY-unknown-0123456789"
CANARY = "CANARY"
"""Part of every token, and of nothing else."""

TOKENS: dict[str, dict[str, Any]] = {
    ALL: {"name": "everything", "models": ["*"], "control": True, "metrics": True},
    THIRDS_ONLY: {"name": "thirds-only", "models": ["thirds"]},
    SLOW: {"name": "slow", "models": ["*"], "calls_per_second": 2},
}


def write_tokens(path: Path, tokens: Mapping[str, Mapping[str, Any]]) -> Path:
    path.write_text("\n".join(entry(token, **rights) for token, rights in tokens.items()), encoding="utf-8")
    return path


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a gRPC call."""
    return (("authorization", f"Bearer {token}"),)


def header(token: str) -> dict[str, str]:
    """The same over HTTP."""
    return {"Authorization": f"Bearer {token}"}
