"""The graph for heat maps of a package, loaded and proved: its maps must add up to what training computed."""

from collections.abc import Callable

import numpy as np

from service.engine.activation import ActivationSession
from service.engine.batcher import Tensor
from service.engine.providers import ProviderUnavailable
from service.models.golden import GoldenSamples
from service.models.manifest import GOLDEN_FILE, Precision
from service.models.repository import Package, PackageRefused


def load_activation(
    package: Package, *, provider: str, threads: int, prepare: Callable[[bytes], Tensor]
) -> ActivationSession | None:
    """None where the package brings no such graph. Raises PackageRefused where it is not what the manifest says."""
    manifest = package.manifest
    explanation = manifest.explanation
    if explanation is None:
        return None
    golden = GoldenSamples.from_bytes(package.read(GOLDEN_FILE))
    try:
        session = ActivationSession.load(
            package.read(explanation.file),
            provider=provider,
            threads=threads,
            tensor=manifest.input.tensor,
            logits=manifest.outputs.logits,
            maps=explanation.output,
        )
        missed = map_error(session, golden, prepare=prepare)
    except (PackageRefused, ProviderUnavailable):
        raise
    except Exception as error:
        raise PackageRefused(
            f"{package.where(explanation.file)}: the graph cannot be loaded and run as the manifest says"
        ) from error
    tolerance = manifest.variants[Precision.FP32].golden_tolerance
    if not missed <= tolerance:  # catches NaN too
        raise PackageRefused(
            f"{package.where(explanation.file)}: the class activation maps miss the golden logits by {missed:.3g} "
            f"(at most {tolerance:.3g} is allowed); export the model again."
        )
    return session


def map_error(session: ActivationSession, golden: GoldenSamples, *, prepare: Callable[[bytes], Tensor]) -> float:
    """By how much logits differ from the golden ones, or what the maps leave of them differs between the samples."""
    activations = session.run(np.stack([prepare(image) for image in golden.images]))
    off = np.abs(activations.logits - golden.logits).max()
    rest = golden.logits - activations.maps.sum(axis=(2, 3))  # (N, labels), the bias of each label
    return float(np.maximum(off, np.ptp(rest, axis=0).max()))  # NaN in either is NaN
