"""The proof at load: golden samples go through the real decode and inference path, and must give the expected logits.

In float32 these are training's; fp16 and int8 have their own, which the export computed and whose accuracy it measured.
"""

from collections.abc import Callable

import numpy as np

from service.engine.batcher import Tensor
from service.engine.session import Session
from service.errors import ServiceError
from service.models.golden import GoldenSamples
from service.models.manifest import GOLDEN_FILE, ManifestInvalid, Precision
from service.models.repository import Package, PackageRefused


def golden_difference(
    package: Package, precision: Precision, *, prepare: Callable[[bytes], Tensor], session: Session
) -> float:
    """Largest |logit − golden logit| over all samples, computed one by one and as one batch.

    Raises PackageRefused where it exceeds the variant's tolerance, or where a sample cannot be computed at all.
    """
    where = package.where(GOLDEN_FILE)
    try:
        golden = GoldenSamples.from_bytes(package.read(GOLDEN_FILE))
    except ManifestInvalid as error:
        raise PackageRefused(f"{where} is not valid: {error}") from error
    if golden.logits.shape[1] != len(package.manifest.labels):
        raise PackageRefused(
            f"{where} has {golden.logits.shape[1]} logits a sample for {len(package.manifest.labels)} labels"
        )
    try:
        tensors = np.stack([prepare(image) for image in golden.images])
    except ServiceError as error:
        raise PackageRefused(f"{where} holds an image that cannot be decoded here: {error.sentence}") from error
    expected = golden.expected(precision)
    together = session.run(tensors).logits
    alone = np.concatenate([session.run(tensor[np.newaxis]).logits for tensor in tensors])
    if together.shape != expected.shape:
        raise PackageRefused(
            f"the graph gives logits of shape {together.shape}, the golden samples have {expected.shape}"
        )
    difference = float(np.abs(np.stack((together, alone)) - expected).max())
    tolerance = package.manifest.variant(precision).golden_tolerance
    if not difference <= tolerance:  # catches NaN too
        raise PackageRefused(_disagreement(where, golden, precision, f"{difference:.3g}", f"{tolerance:.3g}"))
    return difference


def _disagreement(where: str, golden: GoldenSamples, precision: Precision, difference: str, tolerance: str) -> str:
    allowed = f"by {difference} (at most {tolerance} is allowed for {precision})"
    if precision in golden.own:
        return (
            f"{where}: the golden samples disagree with what the export computed in {precision} {allowed}. This "
            f"processor or runtime computes {precision} otherwise, or the graph is not the one that was measured; "
            "take --precision auto or fp32, or export the model on such a machine."
        )
    return (
        f"{where}: the golden samples disagree with training {allowed}. What would be served is not what was trained; "
        "export the model again."
    )
