"""Follows the repository: looks at it every few seconds and has the registry take up what changed.

What answers goes on meanwhile. A version that was refused is tried again when one of its files changes, or when
somebody asks (SIGHUP).
"""

import asyncio
import contextlib
from collections.abc import Callable
from enum import StrEnum

import structlog

from service.models.package import PackageRefused
from service.models.registry import Registry
from service.models.repository import ModelRepository

log = structlog.get_logger("service.reload")

GONE = "the repository holds the model no longer"

Fingerprints = dict[str, tuple[object, ...]]


class Reload(StrEnum):
    """How the taking up of a change ended."""

    DONE = "done"
    REFUSED = "refused"


class Reloader:
    """`run` lives as long as the server; `ask` makes it look now. With `seconds` of 0 it looks only when asked."""

    def __init__(
        self,
        repository: ModelRepository,
        registry: Registry,
        *,
        seconds: float,
        tell: Callable[[Reload], None] = lambda _: None,
    ) -> None:
        self._repository = repository
        self._registry = registry
        self._seconds = seconds
        self._tell = tell
        self._seen: Fingerprints = {}
        self._readable = True
        self._asked = asyncio.Event()

    async def prime(self) -> None:
        """What is there now is what the registry is about to load; only what differs later is a change."""
        with contextlib.suppress(OSError, PackageRefused):  # which the registry is about to say
            self._seen = await asyncio.to_thread(self._read)

    def ask(self) -> None:
        """Looks at every model now, what was refused before included."""
        self._seen.clear()
        self._asked.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self._seconds or None)
            self._asked.clear()
            await self.look()

    async def look(self) -> None:
        """One look; takes up every change before it returns. Whatever goes wrong is logged."""
        found = await self._fingerprints()
        if not found:  # the directory may come back, and an empty one is no reason to stop answering
            return
        changed = [name for name in found if found[name] != self._seen.get(name)]
        gone = {entry.name for entry in self._registry.entries() if entry.answers} - set(found)
        self._seen = found
        for name in changed:
            await self._take_up(name)
        for name in sorted(gone):
            log.info("model gone", model=name)
            await self._registry.unload(name, reason=GONE)

    async def _take_up(self, name: str) -> None:
        try:
            await self._registry.load(name)
        except PackageRefused as error:
            log.error("reload refused", model=name, reason=str(error))  # noqa: TRY400 - the reason is all there is to say
            self._tell(Reload.REFUSED)
        except Exception:
            log.exception("reload failed", model=name)
            self._tell(Reload.REFUSED)
        else:
            log.info("model reloaded", model=name)
            self._tell(Reload.DONE)

    async def _fingerprints(self) -> Fingerprints | None:
        """None where the repository cannot be read, which is said once."""
        try:
            found = await asyncio.to_thread(self._read)
        except (OSError, PackageRefused) as error:
            if self._readable:
                log.error("repository cannot be read; what answers goes on", reason=str(error))  # noqa: TRY400
            self._readable = False
            return None
        self._readable = True
        return found

    def _read(self) -> Fingerprints:
        return {name: self._repository.fingerprint(name) for name in self._repository.names()}
