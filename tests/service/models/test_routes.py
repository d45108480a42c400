"""Where an alias leads (service/models/routes.py)."""

import json
from typing import Any

import pytest

from service.models.routes import AliasesInvalid, Companion, Route, routes_from, routes_to_bytes

ROUTES = {
    "old": Route(version=1),
    "stable": Route(version=3, canary=Companion(version=4, share=0.05), previous=2),
    "watched": Route(version=3, shadow=Companion(version=5, share=1.0)),
}


def test_what_is_written_is_read_again() -> None:
    """Numbers where there is no more to say, objects elsewhere."""
    content = routes_to_bytes(ROUTES)
    assert routes_from(content) == ROUTES
    assert b'"old": 1' in content
    assert routes_from(b'{"stable": 3}') == {"stable": Route(version=3)}


def test_a_route_names_all_versions_that_must_be_loaded() -> None:
    """The one to go back to is none of them."""
    assert ROUTES["stable"].versions == {3, 4}
    assert ROUTES["watched"].versions == {3, 5}
    assert ROUTES["old"].versions == {1}


@pytest.mark.parametrize(
    "value",
    [
        "3",
        3.0,
        True,
        None,
        [],
        {},
        {"version": 3, "canari": 4},
        {"version": 3, "canary": 4},
        {"version": 3, "canary": {"version": 4}},
        {"version": 3, "canary": {"version": 4, "share": 0}},
        {"version": 3, "shadow": {"version": 4, "share": 1.5}},
        {"version": 3, "shadow": {"version": "4", "share": 1.0}},
    ],
)
def test_a_wrong_route_is_refused(value: Any) -> None:
    """With the alias, the place and an example."""
    with pytest.raises(AliasesInvalid, match=r"for example \{\"stable\": 3\}; of 'stable'"):
        routes_from(json.dumps({"stable": value}).encode())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"\xff\xfe", b'"stable"'])
def test_what_is_no_object_is_refused(content: bytes) -> None:
    """JSON or not."""
    with pytest.raises(AliasesInvalid, match=r"cannot be read as JSON|must map aliases"):
        routes_from(content)
