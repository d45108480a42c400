"""grpc.health.v1: the server as a whole under the empty name, and each model under its own.

A model is SERVING while the version that answers by default is ready. On shutdown all turn NOT_SERVING at once, while
calls are still answered, so that balancers go elsewhere before the door closes.
"""

from grpc_health.v1 import health_pb2

from service.api.auth.health import HealthOfCallers
from service.models.registry import Entry, State

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
OVERALL = ""


class Health:
    """What the health service says; follows the registry."""

    def __init__(self) -> None:
        self.servicer = HealthOfCallers()
        self._loaded = self._troubled = self._ended = False
        self._ready: dict[str, set[int]] = {}

    @property
    def ready(self) -> bool:
        """Whether the server as a whole is SERVING."""
        return self._loaded and not self._troubled and not self._ended

    async def begin(self) -> None:
        """Until everything is loaded the server is not ready."""
        await self.servicer.set(OVERALL, NOT_SERVING)

    async def watch_model(self, entry: Entry) -> None:
        """Follows a version through its states."""
        ready = self._ready.setdefault(entry.name, set())
        if entry.state is State.READY:
            ready.add(entry.version)
        else:
            ready.discard(entry.version)
        await self.servicer.set(entry.name, SERVING if ready else NOT_SERVING)

    async def announce_ready(self) -> None:
        """Everything is loaded."""
        self._loaded = True
        await self._tell()

    async def announce_trouble(self, *, over: bool = False) -> None:
        """Until it is over the server asks for no new calls; those that come are answered as well as can be."""
        self._troubled = not over
        await self._tell()

    async def announce_fault(self) -> None:
        """For good: a server that computed something wrong is not trusted again before it is started anew."""
        self._ended = True
        await self._tell()

    async def announce_shutdown(self) -> None:
        """For good: later changes are ignored."""
        self._ended = True
        await self.servicer.enter_graceful_shutdown()

    async def _tell(self) -> None:
        await self.servicer.set(OVERALL, SERVING if self.ready else NOT_SERVING)
