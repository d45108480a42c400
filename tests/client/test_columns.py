"""Answers as columns of numbers, by both clients: the same as one by one, whatever way the images took."""

from pathlib import Path

import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition_client import (
    AsyncRecognitionClient,
    Classification,
    Columns,
    Image,
    ImageError,
    RecognitionClient,
    ResponseInvalid,
)
from recognition_client.columns import columns_of

from tests.client.fake_service import MODEL, FakeService, unreadable

IMAGES = [b"0", b"1", b"bad", b"3", b"4", b"bad too", b"6"]


def rows(columns: Columns) -> dict[int, tuple[list[int], list[float], bool]]:
    """By the place of the image."""
    k = columns.labels_per_image
    return {
        place: (
            list(columns.indices[row * k : row * k + k]),
            list(columns.probabilities[row * k : row * k + k]),
            columns.unknown[row],
        )
        for row, place in enumerate(columns.places)
    }


def check(columns: Columns, outcomes: list[Classification | ImageError]) -> None:
    """That they say the same."""
    assert columns.images == len(outcomes)
    assert dict(columns.errors) == {
        place: outcome for place, outcome in enumerate(outcomes) if isinstance(outcome, ImageError)
    }
    assert rows(columns) == {
        place: ([p.index for p in one.predictions], [p.probability for p in one.predictions], one.unknown)
        for place, one in enumerate(outcomes)
        if isinstance(one, Classification)
    }
    assert set(columns.models) == {outcome.model for outcome in outcomes if isinstance(outcome, Classification)}


@pytest.mark.parametrize("knows_columns", [True, False])
@pytest.mark.parametrize(("max_images", "per_request"), [(256, 64), (256, 3), (2, 64), (1, 4)])
async def test_columns_are_the_outcomes(
    client: RecognitionClient,
    aio_client: AsyncRecognitionClient,
    service: FakeService,
    tmp_path: Path,
    knows_columns: bool,
    max_images: int,
    per_request: int,
) -> None:
    """In one request or in many, halved where the server takes fewer; from an older server too."""
    service.knows_columns, service.max_images = knows_columns, max_images
    images: list[Image] = [tmp_path / "missing.png", *IMAGES, tmp_path]
    outcomes = client.batch_classify(images, top_k=2, images_per_request=per_request)
    check(client.classify_columns(images, top_k=2, images_per_request=per_request), outcomes)
    check(await aio_client.classify_columns(images, top_k=2, images_per_request=per_request), outcomes)


async def test_without_images_there_are_no_columns(
    client: RecognitionClient, aio_client: AsyncRecognitionClient, service: FakeService, tmp_path: Path
) -> None:
    """Nor is anything asked, for files that cannot be read either."""
    check(client.classify_columns([]), [])
    assert (await aio_client.classify_columns([])).places == []
    assert [error.reason for error in client.classify_columns([tmp_path]).errors.values()] == ["FILE_UNREADABLE"]
    assert service.requests == []


def test_answers_of_another_width_are_not_joined() -> None:
    """A version with fewer labels was taken up between two requests; images without an answer have no width."""

    def part(labels_per_image: int) -> Columns:
        columns = pb.ClassificationColumns(
            labels_per_image=labels_per_image,
            indices=range(labels_per_image),
            probabilities=[0.5] * labels_per_image,
            unknown=[False],
        )
        return columns_of(pb.BatchClassifyResponse(columns=columns, model=MODEL), expected=1)

    refused = columns_of(
        pb.BatchClassifyResponse(
            columns=pb.ClassificationColumns(labels_per_image=5, errors={0: unreadable()}), model=MODEL
        ),
        expected=1,
    )
    joined = Columns.joined([part(2), refused, part(2)])
    assert (joined.labels_per_image, list(joined.indices), joined.places) == (2, [0, 1, 0, 1], [0, 2])
    assert Columns.joined([refused, refused]).labels_per_image == 5
    with pytest.raises(
        ResponseInvalid, match="changed between two requests: images have 2 labels in one answer and 3 in another"
    ):
        Columns.joined([part(3), refused, part(2)])


@pytest.mark.parametrize(
    "columns",
    [
        pb.ClassificationColumns(),
        pb.ClassificationColumns(labels_per_image=2, indices=[1], probabilities=[1.0], unknown=[False]),
        pb.ClassificationColumns(labels_per_image=1, indices=[1], probabilities=[1.0], unknown=[False] * 2),
        pb.ClassificationColumns(errors={1: unreadable()}),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: pb.ClassificationColumns) -> None:
    """Their numbers would be given to the wrong images."""
    with pytest.raises(ResponseInvalid):
        columns_of(pb.BatchClassifyResponse(columns=columns, model=MODEL), expected=1)
