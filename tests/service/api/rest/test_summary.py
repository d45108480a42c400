"""The live summary, out of the counters."""

import math

import httpx
import pytest

from service.api.rest.summary import BatchCount, Counts, quantile, summary_of
from tests.service.packages import encode, picture


def counts(at: float, requests: int, latency: dict[float, int] | None = None, **facts: float) -> Counts:
    return Counts(
        at=at,
        requests=requests,
        errors=int(facts.get("errors", 0)),
        latency=latency or {},
        batches={1.0: 0, 2.0: int(facts.get("pairs", 0)), math.inf: int(facts.get("pairs", 0))},
        batch_images=2 * facts.get("pairs", 0),
    )


def test_only_what_happened_in_between_counts() -> None:
    """Differences of counters, over the seconds between them."""
    before, now = counts(10.0, 100, pairs=7), counts(20.0, 150, errors=5, pairs=9)
    summary = summary_of(before, now)
    assert (summary.requests, summary.requests_per_second, summary.errors) == (50, 5.0, 5)
    assert summary.mean_batch_size == 2.0
    assert summary.batch_sizes == [BatchCount(up_to=1, batches=0), BatchCount(up_to=2, batches=2)]


def test_a_quiet_service_has_no_latency() -> None:
    """Unknown is not zero."""
    summary = summary_of(counts(10.0, 100), counts(20.0, 100))
    assert (summary.p50_seconds, summary.mean_batch_size, summary.requests_per_second) == (None, None, 0.0)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.25, 0.5), (0.5, 1.0), (0.75, 1.5), (0.99, 2.0)],
)
def test_quantiles_lie_on_straight_lines_inside_the_buckets(share: float, expected: float) -> None:
    """Beyond the last finite bound that bound is said."""
    assert quantile({1.0: 50, 2.0: 98, math.inf: 100}, share) == pytest.approx(expected, abs=0.03)


async def test_calls_appear_and_looking_does_not(client: httpx.AsyncClient) -> None:
    """Three classifications are three requests, whatever else was listed meanwhile."""
    for place in range(3):
        await client.post("/v1/models/thirds:classify", content=encode(picture(place)))
        await client.get("/v1/models")
        await client.get("/v1/metrics/summary")
    summary = (await client.get("/v1/metrics/summary")).json()
    assert (summary["requests"], summary["errors"], summary["in_flight"]) == (3, 0, 0)
    assert summary["mean_batch_size"] == 1.0
    assert summary["p50_seconds"] > 0
