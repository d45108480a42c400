"""The gate of an HTTP door: no path is reached without a token, whether there is a route behind it or not.

A browser gets its token from its user: it is asked by the scheme Basic, any name with the token as the password, and
sends it with everything that the page asks for. What another site makes it send is refused.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from google.rpc import status_pb2
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.auth.access import HEADER, Access, only_one
from service.api.auth.callers import NOBODY, Caller, current_caller
from service.api.calls import Calls
from service.errors import ServiceError, TokenInvalid

RPC = "HTTP"
"""How the metrics name a call that is turned away here; its path is the caller's invention."""
CHALLENGE = 'Bearer realm="recognition", Basic realm="recognition: any name, the token as password", charset="UTF-8"'
OPEN = frozenset({"/livez", "/v2/health/live"})
CHARGED = ("/v1/models", "/v2", "/predictions/")
UNAUTHENTICATED = 401
SAFE = frozenset({"GET", "HEAD"})
"""They change nothing, and other sites do not see their answers."""

Refusal = Callable[[str, status_pb2.Status], Response]


class HttpGate:
    """Surrounds a whole application; a route that is added later is behind it too."""

    def __init__(
        self, app: ASGIApp, *, access: Access, calls: Calls, refusal: Refusal, open_paths: frozenset[str] = OPEN
    ) -> None:
        """`refusal` makes the answer for a path and a status."""
        self._app = app
        self._access = access
        self._calls = calls
        self._refusal = refusal
        self._open = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            caller = self._caller(scope["method"], scope["path"], Headers(scope=scope))
        except ServiceError as error:
            answer = self._refusal(scope["path"], self._calls.turn_away(RPC, error))
            if answer.status_code == UNAUTHENTICATED:
                answer.headers["WWW-Authenticate"] = CHALLENGE
            await answer(scope, receive, send)
            return
        current_caller.set(caller)
        await self._app(scope, receive, send)

    def _caller(self, method: str, path: str, headers: Headers) -> Caller:
        try:
            caller = self._access.caller_of(only_one(headers.getlist(HEADER) if self._access.asks else []), basic=True)
            if self._access.asks and method not in SAFE and _is_basic(headers):
                _check_same_origin(headers)
        except ServiceError:
            if path in self._open:
                return NOBODY
            raise
        if path.startswith(CHARGED) and path not in self._open:
            caller.charge()
        return caller


def _is_basic(headers: Headers) -> bool:
    return headers.get(HEADER, "").lower().startswith("basic ")


def _check_same_origin(headers: Headers) -> None:
    """A browser adds the password by itself, so a call that another site started is not its user's."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in {None, "none", "same-origin"} or (origin and urlsplit(origin).netloc != headers.get("host")):
        raise TokenInvalid("A password is taken from this server's own page only; other programs send a Bearer token.")
