"""Which model version a URL means."""

import pytest

from service.api.rest.selection import Selection, selection


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (None, Selection(name="shoes")),
        ("3", Selection(name="shoes", version=3)),
        ("canary", Selection(name="shoes", alias="canary")),
        ("٣", Selection(name="shoes", alias="٣")),
        ("-1", Selection(name="shoes", alias="-1")),
    ],
)
async def test_numbers_are_versions_and_anything_else_an_alias(version: str | None, expected: Selection) -> None:
    """Digits of other scripts are no version numbers."""
    assert await selection("shoes", version) == expected
