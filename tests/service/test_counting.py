"""What is counted without checks is what the library counts (service/counting.py)."""

from prometheus_client import CollectorRegistry, Counter

from service.counting import count


def test_the_series_are_the_same() -> None:
    """With labels and without, one at a time and many."""
    registry = CollectorRegistry()
    ours, theirs = (Counter(name, "Of calls", ["code"], registry=registry) for name in ("ours", "theirs"))
    plain = Counter("plain", "Of calls", registry=registry)
    for amount in (1, 3, 0):
        count(ours.labels("OK"), amount)
        theirs.labels("OK").inc(amount)
    count(plain)
    values = {sample.name: sample.value for family in registry.collect() for sample in family.samples}
    assert values["ours_total"] == values["theirs_total"] == 4
    assert values["plain_total"] == 1
