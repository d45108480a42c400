"""The proof at load: what would be served is compared with what training computed, and refused where it differs."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from service.engine.decode import ImageLimits, decode
from service.engine.preprocess import preprocess
from service.engine.providers import CPU_PROVIDER
from service.engine.session import Outputs, Session
from service.models.golden import GoldenSamples
from service.models.manifest import GOLDEN_FILE, PixelFormat, Precision
from service.models.package import Package, PackageRefused
from service.models.repository import ModelRepository
from service.models.verification import golden_difference
from tests.service.models.damage import flip_bit, graph_with, replace_file
from tests.service.packages import GAIN, PackageRecipe, golden, graph

Images = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]


def differently(samples: GoldenSamples, **changes: object) -> GoldenSamples:
    return dataclasses.replace(samples, **changes)  # type: ignore[arg-type] # the fields of the class


def difference_of(package: Package, session: Session | None = None, *, precision: Precision = Precision.FP32) -> float:
    """The proof of a package, by default with its own graph."""
    manifest = package.manifest

    def prepare(image: bytes) -> Images:
        pixels = decode(image, pixel_format=PixelFormat.GRAY8, limits=ImageLimits())
        return preprocess(pixels, manifest.input)

    own = session or Session.load(
        package.read("model.onnx"), provider=CPU_PROVIDER, threads=1, tensor="image", outputs=manifest.outputs
    )
    return golden_difference(package, precision, prepare=prepare, session=own)


def published(root: Path, recipe: PackageRecipe | None = None) -> Package:
    (recipe or PackageRecipe()).write(root)
    return ModelRepository(root).open("thirds", 1)


class AlteredSession(Session):
    """The good graph, whose logits something changes on the way out."""

    def __init__(self, package: Package, alter: Callable[[Logits], Logits]) -> None:
        self._good = Session.load(
            graph(), provider=CPU_PROVIDER, threads=1, tensor="image", outputs=package.manifest.outputs
        )
        self._alter = alter

    def run(self, images: Images) -> Outputs:
        outputs = self._good.run(images)
        return Outputs(logits=self._alter(outputs.logits.copy()), embeddings=outputs.embeddings)


def test_a_good_package_is_as_good_as_training(root: Path) -> None:
    """What is left is rounding."""
    assert 0.0 <= difference_of(published(root)) < 1e-4


@pytest.mark.parametrize("shift", [0.5, -0.5, 0.002])
def test_shifted_samples_are_refused_with_the_difference(root: Path, shift: float) -> None:
    """By how much, how much is allowed, and what to do."""
    package = published(root, PackageRecipe(golden=golden(shift=shift)))
    with pytest.raises(PackageRefused, match=f"by {abs(shift):.1g}.*0.001.*export the model again") as refusal:
        difference_of(package)
    assert f"thirds/1/{GOLDEN_FILE}" in str(refusal.value)


def test_a_difference_inside_the_tolerance_is_told(root: Path) -> None:
    """It passes, and the figure is known."""
    assert difference_of(published(root, PackageRecipe(golden=golden(shift=0.0005)))) == pytest.approx(5e-4, abs=1e-4)


@pytest.mark.parametrize("place", [(0, 0), (9, 1), (17, 2)])
def test_one_logit_of_one_sample_is_enough(root: Path, place: tuple[int, int]) -> None:
    """The largest difference counts, not the mean."""
    samples = golden()
    samples.logits[place] += 0.25
    with pytest.raises(PackageRefused, match=r"by 0\.25"):
        difference_of(published(root, PackageRecipe(golden=samples)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_golden_logits_that_are_no_numbers_are_refused(root: Path, value: float) -> None:
    """NaN is larger than no tolerance; that must not let it through."""
    samples = golden()
    samples.logits[4, 1] = value
    with pytest.raises(PackageRefused, match="disagree with training"):
        difference_of(published(root, PackageRecipe(golden=samples)))


def test_a_graph_that_gives_nan_is_refused(root: Path) -> None:
    """All of it."""
    package = published(root, PackageRecipe(graph=graph_with("gain", float("nan"))))
    with pytest.raises(PackageRefused, match="disagree with training by nan"):
        difference_of(package)


def test_a_graph_with_another_weight_is_refused(root: Path) -> None:
    """Its digest is right; only the samples can tell."""
    package = published(root, PackageRecipe(graph=graph_with("gain", GAIN * 1.01)))
    with pytest.raises(PackageRefused, match="What would be served is not what was trained"):
        difference_of(package)


@pytest.mark.parametrize("value", [np.nan, 0.5])
@pytest.mark.parametrize("together", [True, False])
def test_samples_are_proved_alone_and_together(root: Path, together: bool, value: float) -> None:
    """A graph that errs only in batches, or only on single images, is refused, by a number or by NaN."""

    def alter(logits: Logits) -> Logits:
        if (len(logits) > 1) is together:
            logits[-1, 0] += value
        return logits

    package = published(root)
    with pytest.raises(PackageRefused, match="disagree with training"):
        difference_of(package, AlteredSession(package, alter))


def test_rows_that_are_swapped_in_a_batch_are_refused(root: Path) -> None:
    """Each image must get its own answer."""
    package = published(root)
    with pytest.raises(PackageRefused, match="disagree with training"):
        difference_of(package, AlteredSession(package, lambda logits: logits[::-1]))


@pytest.mark.parametrize(
    "alter", [lambda logits: logits[:, :2], lambda logits: logits[:, :1], lambda logits: np.repeat(logits, 2, axis=1)]
)
def test_a_graph_with_another_number_of_labels_is_refused(root: Path, alter: Callable[[Logits], Logits]) -> None:
    """Even one whose single column would fit all by broadcasting."""
    package = published(root)
    with pytest.raises(PackageRefused, match="the graph gives logits of shape"):
        difference_of(package, AlteredSession(package, alter))


def test_samples_of_another_number_of_labels_are_refused(root: Path) -> None:
    """The message says both numbers."""
    samples = golden()
    wide = differently(samples, logits=np.concatenate((samples.logits, samples.logits[:, :1]), axis=1))
    with pytest.raises(PackageRefused, match=f"thirds/1/{GOLDEN_FILE} has 4 logits a sample for 3 labels"):
        difference_of(published(root, PackageRecipe(golden=wide)))


def test_a_sample_that_cannot_be_decoded_is_refused(root: Path) -> None:
    """In the words of the decoder."""
    samples = golden()
    broken = differently(samples, images=(*samples.images[:-1], samples.images[-1][:40]))
    with pytest.raises(PackageRefused, match=r"cannot be decoded here.*broken or cut short"):
        difference_of(published(root, PackageRecipe(golden=broken)))


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_with_a_right_digest_is_refused(root: Path, part: float) -> None:
    """Whoever wrote the manifest wrote it for the broken file; the message names that file."""
    directory = PackageRecipe().write(root)
    content = (directory / GOLDEN_FILE).read_bytes()
    replace_file(directory, GOLDEN_FILE, content[: int(len(content) * part)])
    with pytest.raises(PackageRefused, match=f"thirds/1/{GOLDEN_FILE} is not valid"):
        difference_of(ModelRepository(root).open("thirds", 1))


def test_a_changed_file_is_refused_before_it_is_read(root: Path) -> None:
    """Its digest disagrees."""
    package = published(root)
    flip_bit(package.path / GOLDEN_FILE)
    session = AlteredSession(package, lambda logits: logits)
    with pytest.raises(PackageRefused, match=f"{GOLDEN_FILE} was changed after publishing"):
        difference_of(package, session)


def with_int8(gain: float, *, deviation: float = 1.5) -> PackageRecipe:
    """int8 answers `deviation` times what float32 answers, which the export noted; its graph has the given gain."""
    own = {Precision.INT8: golden().logits * np.float32(deviation)}
    return PackageRecipe(golden=differently(golden(), own=own), others={Precision.INT8: graph(multiplier=gain)})


def int8_difference(root: Path, recipe: PackageRecipe) -> float:
    package = published(root, recipe)
    session = Session.load(
        package.read("model.int8.onnx"), provider=CPU_PROVIDER, threads=1, tensor="image",
        outputs=package.manifest.outputs,
    )  # fmt: skip
    return difference_of(package, session, precision=Precision.INT8)


def test_a_precision_must_give_its_own_logits(root: Path) -> None:
    """However far they are from training's: what the export measured is what is served."""
    assert int8_difference(root, with_int8(1.5 * GAIN)) < 1e-4


def test_a_precision_that_gives_trainings_logits_instead_is_refused(root: Path) -> None:
    """It was not what was measured; and the way out is said."""
    with pytest.raises(PackageRefused, match=r"with what the export computed in int8 by .*--precision auto or fp32"):
        int8_difference(root, with_int8(GAIN))


def test_packages_of_before_are_measured_by_trainings_logits(root: Path) -> None:
    """Their tolerance is as wide as the precision needed it."""
    recipe = PackageRecipe(others={Precision.INT8: graph(multiplier=1.05 * GAIN)})
    assert 0.1 < int8_difference(root, recipe) < 1.0
