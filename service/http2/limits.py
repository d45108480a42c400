"""What one connection may ask of the door: the numbers, and a measure of what a client sends besides its calls."""

from dataclasses import dataclass

from service.http2.frames import ConnectionFault, ErrorCode

STREAM_WINDOW = 2**18
"""Bytes that a call may send before anything is said; a larger message is granted room when its length is known."""
CONNECTION_WINDOW = 2**22
FRAME = 2**20
MOST_NOISE, NOISE_A_SECOND = 20_000.0, 5000.0
"""Frames that carry no call and no message: so many at once, and so many each second. All calls that a connection may
have can be reset at once, twice.
"""
OF_SETTINGS = 100.0
"""What a frame of settings counts: the windows of all calls follow from it."""
OF_RESET = 5.0
"""What the reset of a call counts that was not answered (CVE-2023-44487); clients reset each call whose time is up."""
OF_CALL = 4.0
"""What a call takes off that is answered: windows and an empty last frame come with it."""
OF_REFUSAL = OF_CALL + 1.0
"""What a call counts that goes nowhere: more than its end takes off."""
MOST_SETTINGS = 32
"""In one frame."""
MOST_CONTINUATIONS = 16
"""Frames of one header block after its first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From the settings and service/transport.py, so that both gRPC doors keep the same."""

    message_bytes: int
    metadata_bytes: int
    streams: int
    body_seconds: float
    """In which a message must be whole that has begun, and a call have one that takes one."""
    age_seconds: float
    """0 never ends a connection for its age."""
    idle_seconds: float
    keepalive_seconds: float
    keepalive_answer_seconds: float
    ping_seconds: float
    """Least time between a client's pings while nothing else is said."""
    handshake_seconds: float


class Noise:
    """Frames that carry nothing, as a level that falls with time and with calls."""

    def __init__(self, now: float, *, streams: int = 0) -> None:
        self._level = 0.0
        self._most = max(MOST_NOISE, 2 * OF_RESET * streams)
        self._at = now

    def add(self, weight: float, now: float) -> None:
        """Raises ConnectionFault where the client sends too much of it."""
        self._level = max(0.0, self._level - (now - self._at) * NOISE_A_SECOND) + weight
        self._at = now
        if self._level > self._most:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that carry nothing")

    def answered(self) -> None:
        """A call."""
        if self._level > 0.0:
            self._level -= OF_CALL


class Pings:
    """A client may ping now and then, and whenever something was sent to it; who does more is sent away."""

    MOST_STRIKES = 2

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = float("-inf")
        self._strikes = 0

    def came(self, now: float, *, spoken: bool) -> None:
        """`spoken` says whether anything of a call was sent since the last one. Raises ConnectionFault."""
        if spoken or now - self._last >= self._seconds:
            self._strikes = 0
        else:
            self._strikes += 1
        self._last = now
        if self._strikes > self.MOST_STRIKES:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too_many_pings")
