"""What every gate asks: who is it that brings this Authorization header?"""

import base64
import binascii
from collections.abc import Sequence

from service.api.auth.callers import EVERYONE, Caller
from service.api.auth.rate import Bucket
from service.api.auth.token_file import TokenFile
from service.api.auth.tokens import Token
from service.errors import TokenInvalid, TokenMissing

HEADER = "authorization"
MOST_BYTES = 512
"""A longer header holds no token of ours."""
HOW = "send the header `Authorization: Bearer TOKEN`"


class Access:
    """One for all doors. Without a file of tokens everybody may do everything."""

    def __init__(self, tokens: TokenFile | None = None) -> None:
        self._tokens = tokens
        self._callers: dict[str, tuple[Token, Caller]] = {}

    @property
    def asks(self) -> bool:
        """Whether a token is asked for."""
        return self._tokens is not None

    def caller_of(self, authorization: str | None, *, basic: bool = False) -> Caller:
        """`basic` takes the token as the password too, as a browser sends it that asked its user.

        Raises TokenMissing or TokenInvalid; neither repeats what was sent.
        """
        if self._tokens is None:
            return EVERYONE
        if not authorization:
            raise TokenMissing(f"This server asks for a token: {HOW}.")
        entry = self._tokens.find(_token_in(authorization, basic=basic))
        if entry is None:
            raise TokenInvalid("The server does not know this token, or not any more; ask its operator for another.")
        return self._as_caller(entry)

    def _as_caller(self, entry: Token) -> Caller:
        """The same object while the entry stays the same, because its bucket remembers."""
        known = self._callers.get(entry.name)
        if known is not None and known[0] == entry:
            return known[1]
        caller = Caller(
            name=entry.name,
            models=frozenset(entry.models),
            control=entry.control,
            metrics=entry.metrics,
            bucket=None if entry.calls_per_second is None else Bucket(entry.calls_per_second),
        )
        self._callers[entry.name] = entry, caller
        return caller


def only_one(given: Sequence[str]) -> str | None:
    """Of the headers of one request, where there is any. Raises TokenInvalid for several.

    Something on the way here might look at another of them than we do.
    """
    if len(given) > 1:
        raise TokenInvalid("There are several Authorization headers; send one.")
    return given[0] if given else None


def _token_in(authorization: str, *, basic: bool) -> str:
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if len(authorization) <= MOST_BYTES:
        if scheme.lower() == "bearer" and value:
            return value
        if scheme.lower() == "basic" and basic and (password := _password_in(value)):
            return password
    raise TokenInvalid(f"The Authorization header holds no token; {HOW}.")


def _password_in(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
