"""The proof at load: golden samples go through the real decode and inference path, and must give training's logits."""

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
    together = session.run(tensors).logits
    alone = np.concatenate([session.run(tensor[np.newaxis]).logits for tensor in tensors])
    if together.shape != golden.logits.shape:
        raise PackageRefused(
            f"the graph gives logits of shape {together.shape}, the golden samples have {golden.logits.shape}"
        )
    difference = float(np.abs(np.stack((together, alone)) - golden.logits).max())
    tolerance = package.manifest.variant(precision).golden_tolerance
    if not difference <= tolerance:  # catches NaN too
        raise PackageRefused(
            f"{where}: the golden samples disagree with training by {difference:.3g} (at most {tolerance:.3g} "
            f"is allowed for {precision}). What would be served is not what was trained; export the model again."
        )
    return difference
