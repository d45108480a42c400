"""The proof that the graph computes what training computes, by the session and the golden replay of the service."""

import numpy as np
import numpy.typing as npt

from export.errors import DifferenceTooLarge, PublicationFailed
from service.engine.decode import ImageLimits, decode
from service.engine.preprocess import preprocess
from service.engine.providers import CPU_PROVIDER
from service.engine.session import Session, available_cores
from service.models.explanation import load_activation
from service.models.manifest import InputSpec, OutputSpec
from service.models.repository import Package, PackageRefused
from service.models.verification import golden_difference

Pixels = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]

MAX_ABS_DIFFERENCE = 1e-4
"""Largest |logit of the graph − logit of torch| that counts as the same, where the logits are small."""
MAX_RELATIVE_DIFFERENCE = 1e-5
"""The same as a share of the largest logit: float32 has seven digits, and a deep network rounds many times."""
SINGLE_IMAGES = 1_000
"""So many images are computed one by one as well."""
BATCH_SIZE = 256
LIMITS = ImageLimits()


def load_session(graph: bytes, outputs: OutputSpec) -> Session:
    """The service's session on the CPU, which every machine has."""
    return Session.load(
        graph,
        provider=CPU_PROVIDER,
        threads=available_cores(),
        tensor=InputSpec.model_fields["tensor"].default,
        outputs=outputs,
    )


def logits_of(session: Session, images: Pixels, *, batch_size: int = BATCH_SIZE) -> Logits:
    """Logits (N, labels) of images (N, H, W, C); the last batch is as long as it happens to be."""
    batches = range(0, len(images), batch_size)
    return np.concatenate([session.run(images[start : start + batch_size]).logits for start in batches])


def check_difference(session: Session, images: Pixels, reference: Logits) -> float:
    """Largest difference to training's logits, in batches and one by one. Raises DifferenceTooLarge."""
    together = np.abs(logits_of(session, images) - reference).max()
    alone = np.abs(logits_of(session, images[:SINGLE_IMAGES], batch_size=1) - reference[:SINGLE_IMAGES]).max()
    difference = float(max(together, alone))
    allowed = max(MAX_ABS_DIFFERENCE, MAX_RELATIVE_DIFFERENCE * float(np.abs(reference).max()))
    if not difference <= allowed:  # catches NaN too
        raise DifferenceTooLarge(
            f"the graph's logits differ from training's by {difference:.3g} over {len(images):,} images; at most "
            f"{allowed:.3g} is allowed. Nothing was published; check the model for operations that depend on "
            "the batch or on randomness"
        )
    return difference


def prove(package: Package) -> None:
    """Does to each variant what the service does at load. Raises PublicationFailed."""
    manifest = package.manifest

    def prepare(image: bytes) -> Pixels:
        pixels = decode(image, pixel_format=manifest.input.pixel_format, limits=LIMITS)
        return preprocess(pixels, manifest.input)

    try:
        package.check_files()
        for precision, variant in manifest.variants.items():
            session = load_session(package.read(variant.file), manifest.outputs)
            golden_difference(package, precision, prepare=prepare, session=session)
        load_activation(package, provider=CPU_PROVIDER, threads=available_cores(), prepare=prepare)
    except PackageRefused as error:
        raise PublicationFailed(f"the service would refuse the package: {error}") from error
