"""A package without a number (export/draft.py)."""

from dataclasses import FrozenInstanceError

import pytest

from export.draft import Draft


def test_a_draft_is_not_changed_once_it_is_made(draft: Draft) -> None:
    """Its manifest holds digests of its files."""
    with pytest.raises(FrozenInstanceError):
        draft.files = {}  # type: ignore[misc] # that is what is refused
