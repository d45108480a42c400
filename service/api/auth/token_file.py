"""The tokens in force: the file is read again when it changed, so that a token is given or taken without a restart."""

import hmac
import threading
import time
from pathlib import Path

import structlog

from service.api.auth.tokens import Token, TokensInvalid, digest_of_token, parse_tokens

LOOK_SECONDS = 1.0
"""How often the file is looked at, at most."""

log = structlog.get_logger("service.tokens")

_Stamp = tuple[int, int, int]


class TokenFile:
    """Asked from any thread. A changed file that cannot be used leaves the tokens as they were, and the log says so."""

    def __init__(self, path: Path) -> None:
        """Raises TokensInvalid."""
        self._path = path
        self._changing = threading.Lock()
        self._stamp: _Stamp | None = None
        self._looked_at = time.monotonic()
        self._tokens = self._read()

    def find(self, token: str) -> Token | None:
        """The entry of a token. Every entry is compared, in a time that does not depend on where they differ."""
        digest = digest_of_token(token)
        found = None
        for entry in self._current():
            if hmac.compare_digest(entry.digest, digest):
                found = entry
        return found

    def __len__(self) -> int:
        return len(self._current())

    def _current(self) -> tuple[Token, ...]:
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            with self._changing:
                self._look()
        return self._tokens

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        try:
            if self._stamp_of_file() == self._stamp:
                return
            self._tokens = self._read()
        except (TokensInvalid, OSError) as error:
            log.error("tokens not reloaded", file=str(self._path), reason=str(error))  # noqa: TRY400 - no fault of ours
            return
        log.info("tokens reloaded", tokens=len(self._tokens))

    def _read(self) -> tuple[Token, ...]:
        try:
            self._stamp = self._stamp_of_file()
            return parse_tokens(self._path.read_bytes())
        except OSError as error:
            raise TokensInvalid(f"the file of tokens {self._path} cannot be read: {error.strerror}") from error
        except TokensInvalid as error:
            raise TokensInvalid(f"the file of tokens {self._path} is not valid: {error}") from error

    def _stamp_of_file(self) -> _Stamp:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
