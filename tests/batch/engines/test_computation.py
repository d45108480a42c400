"""Chunks through the service's own steps."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from batch.assembly import CHUNK_IMAGES
from batch.engines.computation import Computation
from batch.engines.loaded_model import LoadedModel, ModelChoice
from batch.errors import SourceChanged
from batch.item import Chunk
from batch.plan import Question
from batch.results import Results
from batch.sources import images_of
from batch.sources.manifest import ManifestColumns
from service.engine.postprocess import classification_of
from service.engine.providers import Device


@pytest.fixture(scope="module")
def model(models: Path) -> Iterator[LoadedModel]:
    choice = ModelChoice(models=str(models), device=Device.CPU)
    loaded = LoadedModel(choice, threads=1, batch_size=4, max_image_bytes=10**6)
    yield loaded
    loaded.close()


def chunk_of(folder: Path) -> Chunk:
    items = tuple(named.item for named in images_of(str(folder), ManifestColumns()))
    return Chunk(shard=0, start=0, items=items[:CHUNK_IMAGES])


def run(model: LoadedModel, chunk: Chunk, question: Question, **options: int) -> Results:
    computation = Computation(model, question, **options)
    try:
        return computation.compute(computation.prepare(chunk))
    finally:
        computation.close()


def test_the_answers_are_those_of_the_service(model: LoadedModel, pictures: Path) -> None:
    """Label for label and bit for bit, as `classification_of` says of one image alone."""
    chunk = chunk_of(pictures)
    results = run(model, chunk, Question(top_k=3))
    manifest = model.live.manifest
    for place, item in enumerate(chunk.items):
        tensor = model.live.classifier.prepare(Path(item.path).read_bytes()).tensor
        expected = classification_of(
            model.live.session.run(tensor[np.newaxis]).logits[0],
            labels=manifest.labels,
            temperature=manifest.calibration.temperature,
            top_k=3,
            min_confidence=manifest.calibration.unknown_threshold,
        )
        assert results.labels[place].tolist() == [prediction.index for prediction in expected.predictions]
        assert results.probabilities[place].tolist() == [
            float(np.float32(prediction.probability)) for prediction in expected.predictions
        ]
        assert bool(results.unknown[place]) is expected.unknown
    assert results.sizes.tolist() == [[12, 8]] * 30


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_the_batch_size_changes_no_answer(model: LoadedModel, pictures: Path, batch_size: int) -> None:
    chunk = chunk_of(pictures)
    usual, other = run(model, chunk, Question()), run(model, chunk, Question(batch_size=batch_size))
    assert np.array_equal(usual.labels, other.labels)
    assert np.array_equal(usual.probabilities, other.probabilities)


def test_decoding_in_several_threads_changes_nothing(model: LoadedModel, pictures: Path) -> None:
    chunk = chunk_of(pictures)
    usual = run(model, chunk, Question(embeddings=True, timings=True))
    other = run(model, chunk, Question(embeddings=True), decode_threads=3)
    assert np.array_equal(usual.labels, other.labels)
    assert usual.embeddings is not None
    assert other.embeddings is not None
    assert np.array_equal(usual.embeddings, other.embeddings)
    assert usual.decode_ms is not None
    assert (usual.decode_ms > 0).all()


def test_bad_images_have_reasons_and_their_neighbours_answers(model: LoadedModel, pictures: Path) -> None:
    whole = (pictures / "0" / "0004.png").read_bytes()
    (pictures / "0" / "0000.png").write_bytes(b"no image")
    (pictures / "0" / "0002.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "0" / "0006.png").write_bytes(b"")
    (pictures / "0" / "0008.png").write_bytes(b"%PDF-1.7")
    results = run(model, chunk_of(pictures), Question(batch_size=4))
    reasons = {place: fault.reason for place, fault in results.faults.items()}
    assert reasons == {
        0: "IMAGE_UNREADABLE",
        1: "IMAGE_UNREADABLE",
        3: "IMAGE_UNREADABLE",
        4: "IMAGE_UNSUPPORTED",
    }
    assert results.labels[2, 0] == 4 % 3
    assert (results.labels[5:, 0] >= 0).all()


def test_another_threshold(model: LoadedModel, pictures: Path) -> None:
    assert run(model, chunk_of(pictures), Question(min_confidence=1.0)).unknown.all()
    assert not run(model, chunk_of(pictures), Question(min_confidence=0.0)).unknown.any()


def test_a_source_that_changed_is_no_row(model: LoadedModel, pictures: Path) -> None:
    chunk = chunk_of(pictures)
    (pictures / "0" / "0000.png").unlink()
    with pytest.raises(SourceChanged):
        run(model, chunk, Question())
