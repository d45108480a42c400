"""Children of metrics: the same series as the library's own, asked for once."""

from prometheus_client import CollectorRegistry, Counter

from service.children import Children


def test_a_child_is_the_series_of_its_labels() -> None:
    """What is counted through it is what Prometheus reads."""
    registry = CollectorRegistry()
    counter = Counter("calls", "Calls", ["rpc", "code"], registry=registry)
    children = Children(counter)
    children["Classify", "OK"].inc()
    children["Classify", "OK"].inc(2)
    children["Embed", "OK"].inc()
    counter.labels("Classify", "OK").inc(4)
    assert registry.get_sample_value("calls_total", {"rpc": "Classify", "code": "OK"}) == 7
    assert registry.get_sample_value("calls_total", {"rpc": "Embed", "code": "OK"}) == 1


def test_a_child_is_asked_for_once() -> None:
    """The same object each time."""
    children = Children(Counter("calls", "Calls", ["rpc"], registry=CollectorRegistry()))
    assert children[("Classify",)] is children[("Classify",)]
