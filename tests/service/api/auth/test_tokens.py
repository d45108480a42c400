"""The file of tokens: what it may hold, and the sentences about what it may not."""

import pytest

from service.api.auth.tokens import TokensInvalid, entry, parse_tokens

GOOD = entry("t", "a", models=["*"])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[[token", "not TOML"),
        ("\udcff", "not TOML"),
        ("tokens = 3", "tokens: Extra"),
        ("[[token]]\nname = 'a'", "sha256: Field required"),
        (GOOD.replace('["*"]', "[]"), "models: .*at least 1"),
        (GOOD.replace('["*"]', '["../../etc"]'), "models.0"),
        (GOOD.replace('["*"]', '["a\\n"]'), "models.0"),
        (GOOD + "calls_per_second = 0\n", "greater than 0"),
        (GOOD + "calls_per_second = inf\n", "calls_per_second"),
        (GOOD + "expires = 3\n", "expires: Extra"),
        (GOOD + GOOD, "same name"),
        (GOOD + GOOD.replace('"a"', '"b"'), "same sha256"),
        (GOOD.replace('sha256 = "', 'sha256 = "A'), "sha256"),
    ],
)
def test_a_file_that_is_wrong_is_refused(content: str, complaint: str) -> None:
    """With the entry and the field; nothing of what it holds is repeated."""
    with pytest.raises(TokensInvalid, match=complaint):
        parse_tokens(content.encode("utf-8", "surrogateescape"))


def test_an_empty_file_lets_nobody_in() -> None:
    """It is a file of tokens all the same."""
    assert parse_tokens(b"") == ()
