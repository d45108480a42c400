"""The real tritonclient, every row of what its callers rely on, against a running service."""

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.conformance.conftest import RunChecks

if TYPE_CHECKING:
    from collections.abc import Mapping

FEWEST = {"grpc": 15, "grpc_infer": 14, "aio": 10, "http": 15, "secure": 4}
"""So many checks there are at least, lest none be run and all seem well."""


@pytest.mark.parametrize(
    ("door", "second"),
    [(door, False) for door in FEWEST]
    + [pytest.param(door, True, marks=pytest.mark.slow) for door in FEWEST if door != "http"],
)
def test_tritonclient_is_served(door: str, second: bool, run_checks: RunChecks) -> None:
    """Through gRPC, its asyncio twin, HTTP, and each of them over TLS with a token; and at the second gRPC port."""
    outcomes: Mapping[str, str] = json.loads(run_checks(door, second=second))
    assert len(outcomes) >= FEWEST[door]
    failed = {name: trace for name, trace in outcomes.items() if trace}
    assert not failed, "\n".join(f"{name}:\n{trace}" for name, trace in failed.items())
