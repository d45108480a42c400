"""Opens the sessions of packages on one provider: the first one, and where it pays one for batches side by side.

The second one is opened while the model answers, so it gives way where memory is short; it is proved like the first.
"""

import threading
from collections.abc import Callable
from functools import partial

import structlog

from service.engine.batcher import Tensor
from service.engine.execution import CPU_PROVIDER, Options
from service.engine.layouts import Layouts
from service.engine.providers import ProviderUnavailable
from service.engine.session import Session
from service.machine import available_bytes, give_back_memory
from service.models.choice import options_for
from service.models.package import Package, PackageRefused
from service.models.threads import threads_for
from service.models.trial import try_graph
from service.models.variant import Precision
from service.models.verification import golden_difference

log = structlog.get_logger("service.models")

TIMES_THE_GRAPH = 4
"""What a session takes at most while it is opened, and less than twice the graph afterwards."""
LEFT_BYTES = 512 * 2**20
"""For requests."""

Prepare = Callable[[bytes], Tensor]


class Sessions:
    """With `tries` each graph is first loaded in a process of its own."""

    def __init__(
        self,
        *,
        provider: str,
        threads: int,
        tiny_threads: int | None = None,
        provider_options: Options | None = None,
        tries: bool = False,
        available: Callable[[], int | None] = available_bytes,
    ) -> None:
        self._provider = provider
        self._threads_for = partial(threads_for, threads=threads, tiny_threads=tiny_threads)
        self._provider_options = provider_options
        self._tries = tries
        self._available = available
        self._opening = threading.Lock()

    def open(self, package: Package, precision: Precision) -> Session:
        """Raises PackageRefused or ProviderUnavailable."""
        file = package.manifest.variant(precision).file
        graph = package.read(file)
        if self._tries:
            try_graph(graph, package.where(file))
        return self._load(package, precision, graph, self._threads_for(package.manifest))

    def open_narrow(
        self, package: Package, precision: Precision, prepare: Prepare, wanted: Callable[[], bool] = lambda: True
    ) -> Session | None:
        """One of a single thread, proved; None where there is no memory for it now, or nobody wants it any more.
        Raises PackageRefused where it disagrees with the golden samples, or the file is not what the manifest says.
        """
        with self._opening:  # one after the other: what is free for one is not free for another
            if not wanted():
                return None
            graph = package.read(package.manifest.variant(precision).file)
            needed, there = TIMES_THE_GRAPH * len(graph) + LEFT_BYTES, self._available()
            if there is not None and there < needed:
                log.warning(
                    "no memory for a session of one thread; batches side by side share the first",
                    model=package.manifest.name,
                    available_bytes=there,
                    needed_bytes=needed,
                )
                return None
            session = self._load(package, precision, graph, 1)
            if not wanted():
                return None
            golden_difference(package, precision, prepare=prepare, session=session)
            give_back_memory()
            return session

    def layouts(
        self,
        package: Package,
        *,
        lanes: int,
        chosen: Callable[[], tuple[Precision, Session]],
        prepare: Prepare,
    ) -> Layouts:
        """For one version, before it is known which precision is chosen."""

        def narrow(wanted: Callable[[], bool]) -> Session | None:
            precision, _ = chosen()
            return self.open_narrow(package, precision, prepare, wanted)

        several = self._provider == CPU_PROVIDER and min(self._threads_for(package.manifest), lanes) > 1
        name = f"{package.manifest.name}-{package.manifest.version}"
        return Layouts(lambda: chosen()[1], name=name, open_narrow=narrow if several else None)

    def _load(self, package: Package, precision: Precision, graph: bytes, threads: int) -> Session:
        manifest = package.manifest
        try:
            return Session.load(
                graph,
                provider=self._provider,
                threads=threads,
                tensor=manifest.input.tensor,
                outputs=manifest.outputs,
                provider_options=options_for(precision, self._provider_options, provider=self._provider),
            )
        except ProviderUnavailable:
            raise
        except Exception as error:
            file = package.where(manifest.variant(precision).file)
            raise PackageRefused(f"{file}: ONNX Runtime cannot load the graph") from error
