"""What all connections of the door share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import grpc

from service.http2.intake import Intake
from service.http2.limits import Limits
from service.http2.outbox import Waiting

if TYPE_CHECKING:
    from service.http2.stream import RpcHandler

Find = Callable[[grpc.HandlerCallDetails], "RpcHandler | None"]
"""Gives the handler of a call, or one that refuses it; None for a method that there is not."""


class Living(Protocol):
    """A connection, as the server sees it."""

    def tick(self, now: float) -> None:
        """What time brings; called a few times a second."""

    def leave(self, now: float) -> None:
        """No new calls; those that are under way end when they do."""

    def abort(self) -> None:
        """At once, whatever is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One for each server."""

    find: Find
    limits: Limits
    intake: Intake
    waiting: Waiting = field(default_factory=Waiting)
    connections: set[Living] = field(default_factory=set)


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The client's address as gRPC writes it."""
    name = transport.get_extra_info("peername")
    if not name:
        return "unknown"
    return f"ipv6:[{name[0]}]:{name[1]}" if ":" in str(name[0]) else f"ipv4:{name[0]}:{name[1]}"
