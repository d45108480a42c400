"""Counts without what the metrics' library does besides: its checks cost several times what counting does."""

from prometheus_client import Counter


def count(counter: Counter, amount: float = 1.0) -> None:
    """What `inc` does with a series that is known to be one, and an amount that is known to be positive."""
    counter._value.inc(amount)  # noqa: SLF001 - the library offers no such thing; a test compares the two
