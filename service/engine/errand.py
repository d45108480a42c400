"""Marks what the service computes for itself, such as a golden sample or a copy for a shadow, and for no caller."""

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager

_own: contextvars.ContextVar[bool] = contextvars.ContextVar("own_errand", default=False)


@contextmanager
def own_errand() -> Iterator[None]:
    """What is submitted inside is asked for by nobody."""
    token = _own.set(True)
    try:
        yield
    finally:
        _own.reset(token)


def is_own_errand(context: contextvars.Context) -> bool:
    """Whether what was submitted in this context was such."""
    return context.get(_own, False)
