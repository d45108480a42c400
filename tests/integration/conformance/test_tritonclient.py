"""The real tritonclient, every row of what its callers rely on, against a running service."""

import json
from collections.abc import Callable, Mapping

import pytest

FEWEST = {"grpc": 15, "grpc_infer": 14, "aio": 10, "http": 15, "secure": 4}
"""So many checks there are at least, lest none be run and all seem well."""


@pytest.mark.parametrize("door", FEWEST)
def test_tritonclient_is_served(door: str, run_checks: Callable[[str], str]) -> None:
    """Through gRPC, its asyncio twin, HTTP, and each of them over TLS with a token: no check fails."""
    outcomes: Mapping[str, str] = json.loads(run_checks(door))
    assert len(outcomes) >= FEWEST[door]
    failed = {name: trace for name, trace in outcomes.items() if trace}
    assert not failed, "\n".join(f"{name}:\n{trace}" for name, trace in failed.items())
