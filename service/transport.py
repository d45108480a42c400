"""What a gRPC connection may ask of the server, beside what its calls may: as gRPC's channel arguments, and as limits
of the door that speaks HTTP/2 itself.

Clients that ping more often than these allow are sent away with ENHANCE_YOUR_CALM (too_many_pings).
"""

from service.config import Settings
from service.http2.limits import Limits

IDENTITY_ONLY = 1
"""Compressed messages are refused: images are compressed already, and gRPC does not bound what others inflate to."""
LARGEST_FRAME_BYTES = 2**20
"""Instead of 16 KiB: each frame becomes an object of its own while the event loop waits, 600 for 64 large images."""
IDLE_SECONDS = 300
KEEPALIVE_SECONDS = 60
KEEPALIVE_ANSWER_SECONDS = 20
"""A client that is gone without a word holds its calls no longer than these two together."""
CLIENTS_PING_SECONDS = 30
"""Least time between the pings of a client."""
HANDSHAKE_SECONDS = 10
"""In which a connection must have said what it speaks, TLS included."""


def fast_limits(settings: Settings) -> Limits:
    """The same for the second gRPC door."""
    return Limits(
        message_bytes=settings.max_message_bytes,
        metadata_bytes=settings.max_metadata_bytes,
        streams=settings.max_connection_streams,
        body_seconds=settings.default_deadline_seconds,
        age_seconds=settings.connection_age_seconds,
        idle_seconds=IDLE_SECONDS,
        keepalive_seconds=KEEPALIVE_SECONDS,
        keepalive_answer_seconds=KEEPALIVE_ANSWER_SECONDS,
        ping_seconds=CLIENTS_PING_SECONDS,
        handshake_seconds=HANDSHAKE_SECONDS,
    )


def transport_options(settings: Settings) -> list[tuple[str, int]]:
    """For the server."""
    options = {
        "compression_enabled_algorithms_bitset": IDENTITY_ONLY,
        "max_receive_message_length": settings.max_message_bytes,
        "max_send_message_length": settings.max_message_bytes,
        "http2.max_frame_size": LARGEST_FRAME_BYTES,
        "max_concurrent_streams": settings.max_connection_streams,
        "max_metadata_size": settings.max_metadata_bytes,
        "absolute_max_metadata_size": settings.max_metadata_bytes,
        "so_reuseport": 0,
        "keepalive_time_ms": KEEPALIVE_SECONDS * 1000,
        "keepalive_timeout_ms": KEEPALIVE_ANSWER_SECONDS * 1000,
        "keepalive_permit_without_calls": 1,
        "http2.min_ping_interval_without_data_ms": CLIENTS_PING_SECONDS * 1000,
        "http2.max_ping_strikes": 2,
        "max_connection_idle_ms": IDLE_SECONDS * 1000,
        "server_handshake_timeout_ms": HANDSHAKE_SECONDS * 1000,
    }
    if settings.connection_age_seconds > 0:
        # New calls go to a new connection then. Those that are under way end when they do: streams may be long.
        options["max_connection_age_ms"] = max(1, int(settings.connection_age_seconds * 1000))
    return [(f"grpc.{name}", value) for name, value in options.items()]
