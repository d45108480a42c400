"""Whom something is computed for."""

import contextvars

from service.engine.errand import is_own_errand, own_errand


def test_only_what_is_inside_is_the_services_own() -> None:
    """Before and after it somebody asks."""
    before = contextvars.copy_context()
    with own_errand():
        inside = contextvars.copy_context()
    after = contextvars.copy_context()
    assert [is_own_errand(context) for context in (before, inside, after)] == [False, True, False]
