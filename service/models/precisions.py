"""The variants of a package beside the chosen one, for a server that offers all that the golden samples confirm."""

from collections.abc import Awaitable, Callable

import structlog

from service.models.live_model import LiveModel
from service.models.package import Package, PackageRefused
from service.models.variant import PrecisionChoice

log = structlog.get_logger("service.models")


async def load_others(
    package: Package, chosen: LiveModel, load: Callable[[PrecisionChoice], Awaitable[LiveModel]]
) -> tuple[LiveModel, ...]:
    """In the order of the manifest. One that is refused is left out and logged; the chosen one answers all the same."""
    others: list[LiveModel] = []
    try:
        for precision in package.manifest.variants:
            if precision is chosen.precision:
                continue
            try:
                others.append(await load(PrecisionChoice(precision)))
            except PackageRefused as error:
                log.warning("precision refused", model=chosen.manifest.name, precision=precision, reason=str(error))
    except BaseException:
        for live in (chosen, *others):
            await live.drain()
        raise
    return tuple(others)
