"""The door recognition.v1 (service/api/recognition.py) at a real server: answers, models and their versions."""

import io
from typing import Any

import pytest
from PIL import Image
from recognition.v1 import recognition_pb2 as pb

from tests.service.api.house import THIRDS, classify
from tests.service.api.refusals import refusal_of, refused
from tests.service.in_process import InProcess
from tests.service.packages import LABELS, encode, picture

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_image_gets_its_labels(house: InProcess, image: bytes) -> None:
    """Ranked, from the version that is named with its digest, with the time that it took."""
    answer = await house.stub.Classify(classify(image, options=pb.ClassifyOptions(top_k=2)))
    predictions = answer.classification.predictions
    assert [prediction.label for prediction in predictions][:1] == ["right"]
    assert len(predictions) == 2
    assert predictions[0].probability > predictions[1].probability
    assert LABELS[predictions[0].index] == "right"
    assert (answer.model.name, answer.model.version) == ("thirds", 2)
    assert answer.model.digest == house.live().digest
    assert answer.times.decode_seconds > 0
    assert answer.times.inference_seconds > 0
    assert answer.times.batch_size == 1


@pytest.mark.parametrize(("min_confidence", "unknown"), [(0.0, False), (1.0, True)])
async def test_doubtful_answers_are_marked(
    house: InProcess, image: bytes, min_confidence: float, unknown: bool
) -> None:
    """The labels are there all the same."""
    options = pb.ClassifyOptions(min_confidence=min_confidence)
    answer = await house.stub.Classify(classify(image, options=options))
    assert answer.classification.unknown is unknown
    assert len(answer.classification.predictions) == 3


@pytest.mark.parametrize(("chosen", "version"), [({}, 2), ({"alias": "stable"}, 2), ({"version": 3}, 3)])
async def test_the_caller_chooses_the_version(
    house: InProcess, image: bytes, chosen: dict[str, Any], version: int
) -> None:
    """By number or alias; without either the stable one answers."""
    answer = await house.stub.Classify(classify(image, **chosen))
    assert answer.model.version == version


async def test_a_bad_image_never_harms_its_neighbours(house: InProcess) -> None:
    """Each result is in the place of its image; the bad one has the status that a call would have had."""
    images = [encode(picture(0)), b"no image", encode(picture(1)), encode(picture(2))]
    answer = await house.stub.BatchClassify(pb.BatchClassifyRequest(model=THIRDS, images=images))
    labels = [result.classification.predictions[0].label for result in answer.results if not result.HasField("error")]
    assert labels == ["left", "middle", "right"]
    found = refusal_of(answer.results[1].error)
    assert found == await refused(house.stub.Classify(classify(images[1])))
    assert answer.model.version == 2


async def test_columns_say_what_results_say(house: InProcess) -> None:
    """Row by row, the bad one by its place; where all are bad there are no rows."""
    images = [encode(picture(0)), b"no image", encode(picture(2)), b""]
    options = pb.ClassifyOptions(top_k=2, min_confidence=0.9)
    asked = pb.BatchClassifyRequest(model=THIRDS, images=images, options=options)
    expected = await house.stub.BatchClassify(asked)
    asked.as_columns = True
    answer = await house.stub.BatchClassify(asked)
    good = [result.classification for result in expected.results if not result.HasField("error")]
    columns = answer.columns
    assert (len(answer.results), columns.labels_per_image) == (0, 2)
    assert list(columns.indices) == [prediction.index for one in good for prediction in one.predictions]
    assert list(columns.probabilities) == [prediction.probability for one in good for prediction in one.predictions]
    assert list(columns.unknown) == [one.unknown for one in good]
    assert dict(columns.errors) == {place: expected.results[place].error for place in (1, 3)}
    assert answer.model == expected.model
    asked.images[:] = [b""]
    nothing = (await house.stub.BatchClassify(asked)).columns
    assert (nothing.labels_per_image, len(nothing.indices), list(nothing.errors)) == (0, 0, [0])


async def test_a_batch_of_none_is_answered_with_none(house: InProcess) -> None:
    """Nothing to do is no error."""
    assert len((await house.stub.BatchClassify(pb.BatchClassifyRequest(model=THIRDS))).results) == 0


async def test_models_are_listed_page_by_page(house: InProcess) -> None:
    """Every version once, sorted, whatever the size of a page; the last page has no token."""
    whole = (await house.stub.ListModels(pb.ListModelsRequest())).models
    names = [(model.name, model.version) for model in whole]
    assert names == [("fragile", 1), ("thirds", 1), ("thirds", 2), ("thirds", 3), ("wrong", 1)]
    for size in (1, 2, 5, 1000):
        paged, token = [], ""
        while True:
            page = await house.stub.ListModels(pb.ListModelsRequest(page_size=size, page_token=token))
            assert len(page.models) <= size
            paged += [(model.name, model.version) for model in page.models]
            token = page.next_page_token
            if not token:
                break
        assert paged == names


async def test_a_page_behind_the_last_is_empty(house: InProcess) -> None:
    """However far behind."""
    answer = await house.stub.ListModels(pb.ListModelsRequest(page_token="9" * 100))
    assert (len(answer.models), answer.next_page_token) == (0, "")


async def test_a_version_says_why_it_does_not_answer(
    house: InProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Refused or not loaded: state and reason, and nothing of where the files lie."""

    async def get(name: str, version: int) -> pb.Model:
        selector = pb.ModelSelector(name=name, version=version)
        return (await house.stub.GetModel(pb.GetModelRequest(model=selector))).model

    failed, unloaded, ready = await get("wrong", 1), await get("thirds", 1), await get("thirds", 2)
    assert failed.state == pb.MODEL_STATE_FAILED
    assert "golden samples disagree" in failed.state_reason
    assert unloaded.state == pb.MODEL_STATE_UNLOADED
    assert "neither the highest version" in unloaded.state_reason
    assert (ready.state, ready.state_reason, list(ready.aliases)) == (pb.MODEL_STATE_READY, "", ["stable"])
    for model in (failed, unloaded):
        assert str(tmp_path_factory.getbasetemp()) not in str(model)
        assert list(model.labels) == []


async def test_grey_levels_and_colours_give_the_same_answer(house: InProcess) -> None:
    """Formats are the server's business: what the model sees is the picture."""
    buffer = io.BytesIO()
    Image.fromarray(picture(1)).convert("RGBA").save(buffer, "WEBP", lossless=True)
    answer = await house.stub.Classify(classify(buffer.getvalue()))
    assert answer.classification.predictions[0].label == "middle"
