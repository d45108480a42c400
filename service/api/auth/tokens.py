"""The file of tokens: what each may do, and its SHA-256, so that who reads the file cannot call with it.

    [[token]]
    name = "mobile-app"                 # for the log; the token itself is nowhere
    sha256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    models = ["fashion_cnn"]            # or ["*"] for every model
    calls_per_second = 50               # left out: no limit
    control = false                     # may load and unload its models, where model_control = explicit
    metrics = false                     # may read the metrics

A token has 256 random bits, so one round of SHA-256 is enough; `recognition-serve token new` makes them.
"""

import hashlib
import json
import secrets
import tomllib
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from service.models.manifest import NAME_PATTERN

EVERY_MODEL = "*"
PREFIX = "rec_"
"""Lets scanners of repositories find tokens that were committed by mistake."""
RANDOM_BYTES = 32

ModelName = Annotated[str, StringConstraints(pattern=rf"^(?:\*|{NAME_PATTERN.removeprefix('^').removesuffix('$')})$")]
TokenName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class TokensInvalid(Exception):
    """The file of tokens cannot be used; the text names the entry, and never holds a token."""


class Token(BaseModel):
    """One entry of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: TokenName
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    models: Annotated[tuple[ModelName, ...], Field(min_length=1)]
    calls_per_second: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None = None
    control: bool = False
    metrics: bool = False

    @property
    def digest(self) -> bytes:
        return bytes.fromhex(self.sha256)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: tuple[Token, ...] = ()


def parse_tokens(content: bytes) -> tuple[Token, ...]:
    """The entries of a file; an empty one lets nobody in. Raises TokensInvalid."""
    try:
        tokens = _File.model_validate(tomllib.loads(content.decode())).token
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TokensInvalid("it is not TOML") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TokensInvalid(f"{where}: {first['msg']}") from None
    for what in ("name", "sha256"):
        values = [getattr(token, what) for token in tokens]
        if len(values) != len(set(values)):
            raise TokensInvalid(f"two entries have the same {what}")
    return tokens


def digest_of_token(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def new_token() -> str:
    """A token that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def entry(
    token: str,
    name: str,
    *,
    models: Sequence[str],
    calls_per_second: float | None = None,
    control: bool = False,
    metrics: bool = False,
) -> str:
    """The lines for a file of tokens. Raises TokensInvalid for what such a file cannot hold."""
    lines = [
        "[[token]]",
        f"name = {json.dumps(name)}",
        f'sha256 = "{digest_of_token(token).hex()}"',
        f"models = {json.dumps(list(models))}",
    ]
    if calls_per_second is not None:
        lines.append(f"calls_per_second = {calls_per_second}")
    lines += [f"{right} = true" for right, given in (("control", control), ("metrics", metrics)) if given]
    text = "\n".join(lines) + "\n"
    parse_tokens(text.encode())
    return text
