"""Which variant of a package answers: the one that is asked for, or by measurement the faster one on this device."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.engine.execution import (
    CHANNELS_LAST,
    CPU_PROVIDER,
    CUDA_PROVIDER,
    OPENVINO_PROVIDER,
    TENSORRT_PROVIDER,
    Options,
)
from service.engine.session import Session
from service.models.manifest import Manifest, Precision
from service.models.package import Package, PackageRefused
from service.models.variant import PrecisionChoice

RIVALS = {
    CPU_PROVIDER: (Precision.INT8,),
    CUDA_PROVIDER: (Precision.FP16,),
    TENSORRT_PROVIDER: (Precision.FP16, Precision.INT8),
    OPENVINO_PROVIDER: (Precision.BF16, Precision.INT8),
}
"""What may be faster than float32 where. A package needs no graph of its own for bfloat16."""
GAIN = 1.1
"""So many times as fast it must be to be worth its deviations."""
BATCH_SIZE = 8
LEAST_ROUNDS = 5
LEAST_SECONDS = 0.2
"""Rounds go on for so long: a few milliseconds say little where others are at work on the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A variant and its session."""

    precision: Precision
    session: Session
    reason: str = ""
    """What speaks for it, in one sentence."""


def candidates_of(
    package: Package, wanted: PrecisionChoice, *, provider: str, build: Callable[[Package, Precision], Session]
) -> tuple[Candidate, ...]:
    """Fastest first; the next is for the case that the golden samples speak against the one before.

    Raises PackageRefused where the package lacks the precision that is asked for, and what `build` raises.
    """
    if wanted is not PrecisionChoice.AUTO:
        precision = Precision(wanted)
        _check_there(package, precision, provider)
        reason = f"the settings ask for {precision}"
        return (Candidate(precision=precision, session=build(package, precision), reason=reason),)
    fp32 = Candidate(precision=Precision.FP32, session=build(package, Precision.FP32))
    rivals = [
        Candidate(precision=precision, session=build(package, precision))
        for precision in RIVALS.get(provider, ())
        if precision in package.manifest.variants or precision is Precision.BF16
    ]
    if not rivals:
        return (replace(fp32, reason=f"the package holds nothing that may be faster on {provider}"),)
    seconds = _seconds_of(package.manifest, [fp32, *rivals])
    gains = [(seconds[0] / took, rival) for took, rival in zip(seconds[1:], rivals, strict=True)]
    faster = sorted((pair for pair in gains if pair[0] >= GAIN), key=lambda pair: -pair[0])
    measured = ", ".join(f"{rival.precision} {gain:.2f} times as fast as fp32" for gain, rival in gains)
    return (
        *(replace(rival, reason=f"measured here: {measured}") for _, rival in faster),
        replace(fp32, reason=f"measured here: {measured}; {GAIN:g} times is the least that is worth it"),
    )


def options_for(precision: Precision, given: Options | None, *, provider: str) -> Options:
    """What the provider is told besides, so that it computes in this precision, and does so fast."""
    options = given or {}
    if precision is Precision.BF16:
        return {**options, "INFERENCE_PRECISION_HINT": "bf16"}
    if precision is Precision.FP16 and provider == CUDA_PROVIDER:
        return {CHANNELS_LAST: "1", **options}
    return options


def _check_there(package: Package, precision: Precision, provider: str) -> None:
    variants = package.manifest.variants
    if precision is Precision.BF16 and precision not in variants:
        if provider != OPENVINO_PROVIDER:
            raise PackageRefused(
                f"{package.where('manifest.json')}: bf16 is computed by OpenVINO only, and the provider is {provider}; "
                "start with --device openvino, or with --precision auto"
            )
    elif precision not in variants:
        there = ", ".join(sorted(variants))
        raise PackageRefused(
            f"{package.where('manifest.json')}: there is no {precision} variant, only {there}; start with "
            f"--precision auto, or export the model with --precisions fp32,{precision}"
        )


def _seconds_of(manifest: Manifest, candidates: Sequence[Candidate]) -> list[float]:
    """What a batch takes in each; in turns, the best round of each."""
    spec = manifest.input
    images = np.random.default_rng(0).integers(
        0, 256, size=(BATCH_SIZE, spec.height, spec.width, spec.channels), dtype=np.uint8
    )
    best = [float("inf")] * len(candidates)
    rounds, end = 0, time.perf_counter() + LEAST_SECONDS
    while rounds < LEAST_ROUNDS or time.perf_counter() < end:
        rounds += 1
        for place, candidate in enumerate(candidates):
            began = time.perf_counter()
            candidate.session.run(images)
            best[place] = min(best[place], time.perf_counter() - began)
    return best
