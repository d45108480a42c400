"""The variant that may answer: the first that agrees with the golden samples, warmed up for the sizes it will meet."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import structlog

from service.engine.batcher import Tensor
from service.engine.providers import CPU_PROVIDER
from service.engine.session import Session
from service.models.choice import Candidate
from service.models.manifest import InputSpec
from service.models.repository import Package, PackageRefused
from service.models.verification import golden_difference

log = structlog.get_logger("service.models")

WARM_UP_RUNS = 3
CPU_WARM_UP_SECONDS = 0.3
"""After which no larger size is measured there."""
AGAIN_SECONDS = 0.1
"""For so long all sizes are run again in turns: a few runs in a row may all have met the same neighbour."""
TURN_SECONDS, SHORT_TURN_SECONDS = sys.getswitchinterval(), 0.0002
"""How long a thread may keep the interpreter from another one that wants it. Much of the start runs beside the models'
loading, and a tiny network would seem to take as long as that.
"""
_ONE_AT_A_TIME = threading.Lock()
"""Models that start together share the cores, and each would seem to cost twice as much beside another one."""
LONG_SECONDS = 0.1
"""Runs of one size that took so long together say what it costs, where they are more than the first, which says little.
"""
LARGE_SECONDS = 0.01
"""An image of a large model takes so long. Two sizes say what company is worth there; more would take too long."""
LARGE_WARM_UP_SECONDS = 0.45
"""At most, as the first two images say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """A candidate, how closely it agrees with the golden samples, and the seconds its batches take by their size."""

    candidate: Candidate
    golden_difference: float
    costs: dict[int, float]


def first_proved(
    package: Package, candidates: tuple[Candidate, ...], *, prepare: Callable[[bytes], Tensor], largest_batch: int
) -> Proved:
    """The best candidate that agrees with the golden samples. Raises what the last one raises."""
    *rivals, last = candidates
    refused: list[str] = []
    for candidate in rivals:
        try:
            return _prove(package, candidate, prepare, largest_batch)
        except PackageRefused as error:
            log.warning(
                "precision refused", model=package.manifest.name, precision=candidate.precision, reason=str(error)
            )
            refused.append(f"; {candidate.precision} was refused by the golden samples")
    return _prove(package, replace(last, reason=last.reason + "".join(refused)), prepare, largest_batch)


def _prove(package: Package, candidate: Candidate, prepare: Callable[[bytes], Tensor], largest_batch: int) -> Proved:
    session, precision = candidate.session, candidate.precision
    try:
        difference = golden_difference(package, precision, prepare=prepare, session=session)
        costs = warm_up(session, package.manifest.input, largest_batch)
    except PackageRefused:
        raise
    except Exception as error:
        file = package.where(package.manifest.variant(precision).file)
        raise PackageRefused(f"{file}: the graph cannot be run as the manifest says") from error
    return Proved(candidate=candidate, golden_difference=difference, costs=costs)


def warm_up(session: Session, spec: InputSpec, largest_batch: int) -> dict[int, float]:
    """Runs every power of two up to the largest batch, so that no request pays for a first time; seconds by size.

    On the CPU, where a new size costs next to nothing, a slow model stops early and is ready sooner.
    """

    def run(size: int) -> float:
        images = np.zeros((size, spec.height, spec.width, spec.channels), dtype=np.uint8)
        began = time.perf_counter()
        session.run(images)
        return time.perf_counter() - began

    on_cpu = session.provider == CPU_PROVIDER
    with _ONE_AT_A_TIME if on_cpu else nullcontext(), _short_turns():
        return _measured(run, largest_batch, on_cpu=on_cpu)


def _measured(run: Callable[[int], float], largest_batch: int, *, on_cpu: bool) -> dict[int, float]:
    if on_cpu and (alone := min(run(1), run(1))) >= LARGE_SECONDS:
        return _costs_of_large(run, alone, largest_batch)
    costs: dict[int, float] = {}
    end = time.monotonic() + CPU_WARM_UP_SECONDS
    size = 1
    while size <= largest_batch and not (on_cpu and time.monotonic() > end):
        runs: list[float] = []
        while len(runs) < WARM_UP_RUNS and not (on_cpu and len(runs) > 1 and sum(runs) > LONG_SECONDS):
            runs.append(run(size))
        costs[size] = min(runs)
        size *= 2
    end = min(end, time.monotonic() + AGAIN_SECONDS)
    while on_cpu and time.monotonic() < end:
        costs = {size: min(seconds, run(size)) for size, seconds in costs.items()}
    return costs


@contextmanager
def _short_turns() -> Iterator[None]:
    sys.setswitchinterval(SHORT_TURN_SECONDS)
    try:
        yield
    finally:  # not as it was found: another model may be measured at the same time
        sys.setswitchinterval(TURN_SECONDS)


def _costs_of_large(run: Callable[[int], float], alone: float, largest_batch: int) -> dict[int, float]:
    """One image, and as many as there is time for, in turns: both are to meet the same neighbours on the machine."""
    size = 1
    while 2 * size <= largest_batch and (3 * 2 * size + 3) * alone <= LARGE_WARM_UP_SECONDS:
        size *= 2
    if size == 1:
        return {1: alone}
    run(size)  # the first of its size, which says little
    together, again = run(size), run(1)
    return {1: min(alone, again), size: min(together, run(size))}
