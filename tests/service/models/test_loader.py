"""Loading: a good package answers as its manifest promises, a bad one is refused with the file and the reason."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from service.engine.batcher import BatchPolicy
from service.engine.decode import ImageLimits, decode
from service.engine.preprocess import preprocess
from service.engine.providers import CPU_PROVIDER, ProviderUnavailable
from service.engine.session import Session
from service.engine.times import Stage
from service.errors import ShuttingDown
from service.models import sessions as module
from service.models.golden import GoldenSamples
from service.models.loader import LoadObserver, ModelLoader
from service.models.manifest import GOLDEN_FILE, Calibration, InputSpec, PixelFormat, Precision, digest_of
from service.models.package import PackageRefused
from service.models.repository import ModelRepository
from tests.service.models.damage import edit_manifest, flip_bit, graph_of_single_images, graph_with, replace_file
from tests.service.models.observed import Observed
from tests.service.packages import HEIGHT, LABELS, WIDTH, PackageRecipe, encode, expected_logits, golden, graph, picture


async def refusal_of(root: Path, loader: ModelLoader) -> PackageRefused:
    """Why version 1 of `thirds` is not served. No thread may be left behind."""
    package = ModelRepository(root).open("thirds", 1)
    with pytest.raises(PackageRefused) as refusal:
        await loader.load(package)
    assert str(root) not in str(refusal.value)
    await threads_end()
    return refusal.value


async def threads_end() -> None:
    """Waits until the sessions' threads are gone."""
    for thread in threading.enumerate():
        if thread.name.startswith("session-thirds"):
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()


async def test_a_good_package_answers(root: Path, loader: ModelLoader) -> None:
    """With the probabilities that its logits, its temperature and its labels give."""
    PackageRecipe(calibration=Calibration(temperature=2.0, unknown_threshold=0.9)).write(root)
    live = await loader.load(ModelRepository(root).open("thirds", 1))
    for place, label in enumerate(LABELS):
        logits = expected_logits(picture(place)).astype(np.float64)
        shares = np.exp(logits / 2.0) / np.exp(logits / 2.0).sum()
        answer = await live.classifier.classify(encode(picture(place)), top_k=3)
        best = answer.classification.predictions[0]
        assert (best.label, best.index) == (label, place)
        assert best.probability == pytest.approx(shares.max(), abs=1e-5)
        assert answer.classification.unknown is bool(shares.max() < 0.9)
    await live.drain()


async def test_the_facts_of_loading_are_kept(root: Path, loader: ModelLoader) -> None:
    """Digest, precision, provider, the proof's difference, the time, and sample pictures of every label."""
    directory = PackageRecipe().write(root)
    package = ModelRepository(root).open("thirds", 1)
    live = await loader.load(package)
    assert live.manifest == package.manifest
    assert live.digest == digest_of((directory / "manifest.json").read_bytes())
    assert (live.precision, live.provider) == (Precision.FP32, CPU_PROVIDER)
    assert 0.0 <= live.golden_difference < 1e-4
    assert 0.0 < live.load_seconds < 60
    assert [sample.label for sample in live.samples] == list(LABELS)
    await live.drain()


async def test_the_observer_is_told_of_requests_only(root: Path, loader: ModelLoader, observed: Observed) -> None:
    """Neither the proof nor the warm-up counts as traffic."""
    PackageRecipe().write(root)
    live = await loader.load(ModelRepository(root).open("thirds", 1))
    assert observed.stages == []
    assert observed.batches == []
    await live.classifier.classify(encode(picture(0)), top_k=1)
    assert observed.stages == [("thirds", stage) for stage in Stage]
    assert observed.batches == [("thirds", 1)]
    await live.drain()


async def test_a_drained_model_refuses_and_lets_go_of_its_thread(root: Path, loader: ModelLoader) -> None:
    """After the last answer nothing of it runs."""
    PackageRecipe().write(root)
    live = await loader.load(ModelRepository(root).open("thirds", 1))
    running = asyncio.gather(*(live.classifier.classify(encode(picture(1)), top_k=1) for _ in range(9)))
    answers = await running
    assert {answer.classification.predictions[0].label for answer in answers} == {"middle"}
    await live.drain()
    with pytest.raises(ShuttingDown):
        await live.classifier.classify(encode(picture(1)), top_k=1)
    await threads_end()


async def test_a_flipped_bit_in_the_graph_is_refused(root: Path, loader: ModelLoader) -> None:
    """By the file's name and both digests, before anything parses it."""
    directory = PackageRecipe().write(root)
    flip_bit(directory / "model.onnx")
    refusal = await refusal_of(root, loader)
    for words in ("thirds/1/model.onnx", digest_of(graph()), digest_of((directory / "model.onnx").read_bytes())):
        assert words in str(refusal)


async def test_any_file_of_the_manifest_counts(root: Path, loader: ModelLoader) -> None:
    """One that is listed and not there, or changed though nothing needs it to answer."""
    directory = PackageRecipe().write(root)
    replace_file(directory, "card.md", b"trained with care")
    (directory / "card.md").write_bytes(b"trained with cars")
    assert "thirds/1/card.md was changed" in str(await refusal_of(root, loader))
    (directory / "card.md").unlink()
    assert "thirds/1/card.md cannot be read" in str(await refusal_of(root, loader))


@pytest.mark.parametrize("content", [b"garbage", graph()[:-30]])
async def test_what_is_no_graph_is_refused_unopened(root: Path, loader: ModelLoader, content: bytes) -> None:
    """Its digest is right; the runtime never sees it."""
    directory = PackageRecipe().write(root)
    replace_file(directory, "model.onnx", content)
    refusal = await refusal_of(root, loader)
    assert "ONNX model" in str(refusal)
    assert "Runtime" not in str(refusal)


@pytest.mark.parametrize(
    "content", [b"", b"\x08\x09", b"\x08\x09" + b"\0" * 100, onnx.ModelProto(ir_version=99).SerializeToString()]
)
async def test_garbage_with_a_right_digest_is_refused(root: Path, loader: ModelLoader, content: bytes) -> None:
    """The message is ours; what the runtime said is the cause, for the log."""
    directory = PackageRecipe().write(root)
    replace_file(directory, "model.onnx", content)
    refusal = await refusal_of(root, loader)
    assert str(refusal) == "thirds/1/model.onnx: ONNX Runtime cannot load the graph"
    assert refusal.__cause__ is not None


async def test_a_graph_with_weights_outside_is_refused(root: Path, loader: ModelLoader, tmp_path: Path) -> None:
    """A package is one file a graph; a path inside a graph leads nowhere."""
    model = onnx.load_from_string(graph())
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.float32(10.0).tobytes())
    for constant in model.graph.initializer:
        if constant.name == "gain":
            constant.ClearField("raw_data")
            constant.data_location = onnx.TensorProto.EXTERNAL
            constant.external_data.add(key="location", value=str(secret))
    PackageRecipe(graph=model.SerializeToString()).write(root)
    assert "keeps weights in other files" in str(await refusal_of(root, loader))


@pytest.mark.parametrize("shift", [0.5, float("nan")])
async def test_golden_samples_that_disagree_are_refused(root: Path, loader: ModelLoader, shift: float) -> None:
    """With the difference."""
    PackageRecipe(golden=golden(shift=shift)).write(root)
    assert f"disagree with training by {shift:g}" in str(await refusal_of(root, loader))


async def test_truncated_golden_samples_are_refused(root: Path, loader: ModelLoader) -> None:
    """Under a right digest too, and by the name of the file that is at fault."""
    directory = PackageRecipe().write(root)
    content = (directory / GOLDEN_FILE).read_bytes()
    replace_file(directory, GOLDEN_FILE, content[: len(content) // 2])
    assert f"thirds/1/{GOLDEN_FILE} is not valid" in str(await refusal_of(root, loader))


async def test_another_number_of_labels_is_refused(root: Path, loader: ModelLoader) -> None:
    """A label that no logit belongs to."""
    directory = PackageRecipe().write(root)
    edit_manifest(directory, lambda values: values.update(labels=[*LABELS, "fourth"]))
    edit_manifest(directory, lambda values: values["baseline"].update(label_shares=[0.25] * 4))
    assert "3 logits a sample for 4 labels" in str(await refusal_of(root, loader))


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("outputs", {"logits": "scores"}),
        ("outputs", {"embedding": "features"}),
        ("input", {"tensor": "picture"}),
        ("input", {"height": 9}),
        ("input", {"pixel_format": "rgb8", "mean": [0, 0, 0], "std": [1, 1, 1]}),
    ],
)
async def test_a_graph_that_does_not_fit_its_manifest_is_refused(
    root: Path, loader: ModelLoader, part: str, change: dict[str, object]
) -> None:
    """Names and shapes that the graph does not have."""
    directory = PackageRecipe().write(root)
    edit_manifest(directory, lambda values: values[part].update(change))
    assert "thirds/1/model.onnx: the graph cannot be run as the manifest says" in str(await refusal_of(root, loader))


@pytest.mark.parametrize("content", [graph_of_single_images(), graph_with("scale", float("inf"))])
async def test_a_graph_that_fails_on_the_samples_is_refused(root: Path, loader: ModelLoader, content: bytes) -> None:
    """One that takes no batches, one that gives no numbers."""
    PackageRecipe(graph=content).write(root)
    assert "thirds/1/" in str(await refusal_of(root, loader))


async def test_pictures_of_a_package_obey_the_limits_of_the_server(root: Path, observed: Observed) -> None:
    """Samples larger than the server accepts are told as such."""
    PackageRecipe().write(root)
    with ThreadPoolExecutor(1) as workers:
        strict = ModelLoader(
            provider=CPU_PROVIDER,
            threads=1,
            policy=BatchPolicy(max_batch_size=1),
            limits=ImageLimits(max_side=4),
            workers=workers,
            observer=LoadObserver(stage=observed.stage, batch=observed.batch),
        )
        assert "cannot be decoded here" in str(await refusal_of(root, strict))


async def test_a_provider_that_cannot_be_had_is_not_the_fault_of_the_package(
    root: Path, loader: ModelLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start ends with what to mend on the machine; the package is not called bad."""

    class Unavailable(Session):
        @classmethod
        def load(cls, *_: object, **__: object) -> Session:
            raise ProviderUnavailable("no GPU")

    monkeypatch.setattr(module, "Session", Unavailable)
    PackageRecipe().write(root)
    with pytest.raises(ProviderUnavailable, match="no GPU"):
        await loader.load(ModelRepository(root).open("thirds", 1))
    await threads_end()


async def test_versions_live_side_by_side(root: Path, loader: ModelLoader) -> None:
    """Each has its own session and its own queue; draining one leaves the other."""
    for version in (1, 2):
        PackageRecipe(version=version).write(root)
    one, two = [await loader.load(ModelRepository(root).open("thirds", version)) for version in (1, 2)]
    await one.drain()
    answer = await two.classifier.classify(encode(picture(2)), top_k=1)
    assert answer.classification.predictions[0].label == "right"
    await two.drain()


@pytest.mark.parametrize(("recorded", "served"), [("scaled", True), ("exact", False)])
async def test_the_proof_decodes_as_the_golden_samples_were(
    root: Path, loader: ModelLoader, recorded: str, served: bool
) -> None:
    """Logits of pictures that were scaled down while decoding belong to that way, whatever the settings serve."""
    noise = np.random.default_rng(0).integers(0, 256, (3 * 4 * HEIGHT, 4 * WIDTH), dtype=np.uint8)
    files = tuple(encode(part, "JPEG") for part in np.split(noise, 3))
    spec = InputSpec(pixel_format=PixelFormat.GRAY8, height=HEIGHT, width=WIDTH, mean=(0.0,), std=(1.0,))
    tensors = [
        preprocess(decode(file, pixel_format=spec.pixel_format, limits=ImageLimits(), at_least=WIDTH), spec)
        for file in files
    ]
    logits = np.stack([expected_logits(tensor[..., 0]) for tensor in tensors])
    samples = GoldenSamples(images=files, logits=logits, labels=np.arange(3, dtype=np.int64))
    edit_manifest(PackageRecipe(golden=samples).write(root), lambda values: values.update(golden_decode=recorded))
    if served:
        live = await loader.load(ModelRepository(root).open("thirds", 1))
        await live.drain()
    else:
        assert "disagree with training" in str(await refusal_of(root, loader))
