"""Which variant of a package answers: the one that is asked for, or by measurement the faster one on this device."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from service.engine.providers import CPU_PROVIDER, CUDA_PROVIDER
from service.engine.session import Session
from service.models.manifest import Manifest, Precision
from service.models.package import Package, PackageRefused
from service.models.variant import PrecisionChoice

RIVALS = {CPU_PROVIDER: Precision.INT8, CUDA_PROVIDER: Precision.FP16}
"""What may be faster than float32 where."""
GAIN = 1.1
"""So many times as fast it must be to be worth its deviations."""
BATCH_SIZE = 8
ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A variant and its session."""

    precision: Precision
    session: Session


def candidates_of(
    package: Package, wanted: PrecisionChoice, *, provider: str, build: Callable[[Package, Precision], Session]
) -> tuple[Candidate, ...]:
    """Best first; the next is for the case that the golden samples speak against the one before.

    Raises PackageRefused where the package lacks the precision that is asked for, and what `build` raises.
    """
    variants = package.manifest.variants
    if wanted is not PrecisionChoice.AUTO:
        precision = Precision(wanted)
        if precision not in variants:
            there = ", ".join(sorted(variants))
            raise PackageRefused(
                f"{package.where('manifest.json')}: there is no {precision} variant, only {there}; start with "
                f"--precision auto, or export the model with --precisions fp32,{precision}"
            )
        return (Candidate(precision=precision, session=build(package, precision)),)
    fp32 = Candidate(precision=Precision.FP32, session=build(package, Precision.FP32))
    rival_precision = RIVALS.get(provider)
    if rival_precision is None or rival_precision not in variants:
        return (fp32,)
    rival = Candidate(precision=rival_precision, session=build(package, rival_precision))
    if _seconds_ratio(package.manifest, fp32.session, rival.session) < GAIN:
        return (fp32,)
    return (rival, fp32)


def _seconds_ratio(manifest: Manifest, fp32: Session, rival: Session) -> float:
    """How many times as fast the rival is; taken in turns, the best round of each."""
    spec = manifest.input
    images = np.random.default_rng(0).integers(
        0, 256, size=(BATCH_SIZE, spec.height, spec.width, spec.channels), dtype=np.uint8
    )
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for place, session in enumerate((fp32, rival)):
            began = time.perf_counter()
            session.run(images)
            best[place] = min(best[place], time.perf_counter() - began)
    return best[0] / best[1]
