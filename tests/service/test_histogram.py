"""Values at once are counted as they are one by one."""

import pytest
from prometheus_client import CollectorRegistry, Histogram

from service.histogram import observe_all

BOUNDS = (0.1, 0.5, 1.0)


def samples(values: list[float], *, at_once: bool) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    histogram = Histogram("seconds", "Of a stage", ["stage"], buckets=BOUNDS, registry=registry).labels("decode")
    if at_once:
        observe_all(histogram, values)
    else:
        for value in values:
            histogram.observe(value)
    (family,) = registry.collect()
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@pytest.mark.parametrize(
    "values", [[], [0.3], [0.1, 0.5, 1.0, 7.0, 0.0, 0.11], [0.1, 0.5, 1.0, 7.0, 0.0] * 20, [9.0, 8.0]]
)
def test_the_buckets_and_the_sum_are_the_same(values: list[float]) -> None:
    """On the bounds and beyond the last of them too."""
    assert samples(values, at_once=True) == pytest.approx(samples(values, at_once=False))


def test_an_exemplar_is_kept() -> None:
    """It leads from a value to its trace."""
    registry = CollectorRegistry()
    histogram = Histogram("seconds", "Of a stage", buckets=BOUNDS, registry=registry)
    observe_all(histogram, [0.2, 0.7], {"trace_id": "7"})
    exemplars = [sample.exemplar for family in registry.collect() for sample in family.samples if sample.exemplar]
    assert [(exemplar.value, exemplar.labels) for exemplar in exemplars] == [
        (0.2, {"trace_id": "7"}),
        (0.7, {"trace_id": "7"}),
    ]
