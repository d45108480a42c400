"""Every error of the table at a real server of recognition.v1: code, reason, details, and no word too many."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from recognition.v1 import recognition_pb2 as pb

from tests.service.api.house import DAZZLING, THIRDS, classify, png_header
from tests.service.api.refusals import refused
from tests.service.in_process import SECONDS, InProcess, held, serving, until, until_at_work
from tests.service.packages import encode, picture

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "IMAGE_UNREADABLE"),
        (b"no image at all", "IMAGE_UNREADABLE"),
        (encode(picture(0))[:40], "IMAGE_UNREADABLE"),
        (b"II*\x00" + bytes(100), "IMAGE_UNSUPPORTED"),
        (bytes(10_001), "IMAGE_TOO_LARGE"),
        (png_header(101, 8), "IMAGE_TOO_LARGE"),
        (png_header(2**31 - 1, 2**31 - 1), "IMAGE_TOO_LARGE"),
    ],
)
async def test_images_that_cannot_be_read(house: InProcess, content: bytes, reason: str) -> None:
    """INVALID_ARGUMENT: the reason for programs, the field and a sentence for people."""
    found = await refused(house.stub.Classify(classify(content)))
    assert (found.code, found.reason, found.domain) == ("INVALID_ARGUMENT", reason, "recognition")
    assert found.fields == {"image": found.message}


@pytest.mark.parametrize(
    ("request_", "code", "reason"),
    [
        (classify(b"", "nobody"), "NOT_FOUND", "MODEL_NOT_FOUND"),
        (classify(b"", "../thirds"), "NOT_FOUND", "MODEL_NOT_FOUND"),
        (classify(b"", "etc/passwd\x00"), "NOT_FOUND", "MODEL_NOT_FOUND"),
        (classify(b"", "x" * 100_000), "NOT_FOUND", "MODEL_NOT_FOUND"),
        (classify(b"", version=9), "NOT_FOUND", "VERSION_NOT_FOUND"),
        (classify(b"", version=0), "NOT_FOUND", "VERSION_NOT_FOUND"),
        (classify(b"", version=-(2**63)), "NOT_FOUND", "VERSION_NOT_FOUND"),
        (classify(b"", alias="canary"), "NOT_FOUND", "VERSION_NOT_FOUND"),
        (classify(b"", alias=""), "NOT_FOUND", "VERSION_NOT_FOUND"),
        (classify(b"", version=1), "UNAVAILABLE", "MODEL_NOT_READY"),
        (classify(b"", "wrong"), "UNAVAILABLE", "MODEL_NOT_READY"),
        (classify(b"", ""), "INVALID_ARGUMENT", "ARGUMENT_INVALID"),
        (pb.ClassifyRequest(), "INVALID_ARGUMENT", "ARGUMENT_INVALID"),
    ],
)
async def test_models_that_do_not_answer(
    house: InProcess, request_: pb.ClassifyRequest, code: str, reason: str
) -> None:
    """The model is found before the image is looked at; the sentence says where to look on."""
    found = await refused(house.stub.Classify(request_))
    assert (found.code, found.reason) == (code, reason)
    assert len(found.message) < 300
    assert found.fields == ({"model.name": found.message} if code == "INVALID_ARGUMENT" else {})


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (pb.ClassifyOptions(top_k=-1), "options.top_k"),
        (pb.ClassifyOptions(min_confidence=1.5), "options.min_confidence"),
        (pb.ClassifyOptions(min_confidence=float("nan")), "options.min_confidence"),
    ],
)
async def test_options_that_mean_nothing(
    house: InProcess, image: bytes, options: pb.ClassifyOptions, field: str
) -> None:
    """Refused by their name, of a single image and of many."""
    single = await refused(house.stub.Classify(classify(image, options=options)))
    batch = pb.BatchClassifyRequest(model=THIRDS, images=[image], options=options)
    many = await refused(house.stub.BatchClassify(batch))
    for found in (single, many):
        assert (found.code, found.reason) == ("INVALID_ARGUMENT", "ARGUMENT_INVALID")
        assert found.fields == {field: found.message}


async def test_a_batch_that_is_too_large_is_refused_as_a_whole(house: InProcess, image: bytes) -> None:
    """The limit is in the sentence; one image fewer is answered."""
    found = await refused(house.stub.BatchClassify(pb.BatchClassifyRequest(model=THIRDS, images=[image] * 5)))
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "BATCH_TOO_LARGE")
    assert list(found.fields) == ["images"]
    assert "at most 4" in found.message
    assert len((await house.stub.BatchClassify(pb.BatchClassifyRequest(model=THIRDS, images=[b""] * 4))).results) == 4


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_size": 1001}, "page_size"),
        ({"page_token": "next"}, "page_token"),
        ({"page_token": "-1"}, "page_token"),
        ({"page_token": "²"}, "page_token"),
    ],
)
async def test_pages_that_do_not_exist(house: InProcess, request_: dict[str, Any], field: str) -> None:
    """Refused by the name of the field."""
    found = await refused(house.stub.ListModels(pb.ListModelsRequest(**request_)))
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "ARGUMENT_INVALID")
    assert list(found.fields) == [field]


async def test_a_full_queue_says_when_to_come_back(house: InProcess, image: bytes) -> None:
    """At once, with RetryInfo, and in metadata for clients that retry by themselves; what was accepted is answered."""
    stub = house.stub
    with held(house.live()) as release:
        accepted = [asyncio.ensure_future(stub.Classify(classify(image)))]
        await until_at_work(house.live())
        accepted += [asyncio.ensure_future(stub.Classify(classify(image))) for _ in range(3)]
        await until(lambda: house.live().batcher.waiting == 3)
        call = stub.Classify(classify(image), timeout=SECONDS)
        found = await refused(call)
        release.set()
        answers = await asyncio.gather(*accepted)
    assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
    assert found.retry_seconds is not None
    assert 0.01 <= found.retry_seconds <= 10
    pushback = dict(await call.trailing_metadata())["grpc-retry-pushback-ms"]
    assert int(pushback) == pytest.approx(1000 * found.retry_seconds, abs=1)
    assert len(answers) == 4


async def test_a_deadline_that_passes_in_the_queue(models: Path, image: bytes) -> None:
    """Refused without being computed; the one before it is answered."""
    async with serving(models, default_deadline_seconds=1.0) as service:
        with held(service.live()) as release:
            first = asyncio.ensure_future(service.stub.Classify(pb.ClassifyRequest(image=image)))
            await until_at_work(service.live())
            late = asyncio.ensure_future(service.stub.Classify(pb.ClassifyRequest(image=image)))
            await until(lambda: service.live().batcher.waiting == 1)
            await asyncio.sleep(1.05)  # the deadline itself
            release.set()
            found = await refused(late)
        assert (await first).times.batch_size == 1
        assert (found.code, found.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_UNREACHABLE")
        assert service.sum("recognition_batch_size_sum") == 1


async def test_a_deadline_that_cannot_be_met(models: Path, image: bytes) -> None:
    """Refused at once, before any work."""
    async with serving(models, default_deadline_seconds=1e-9) as service:
        found = await refused(service.stub.Classify(pb.ClassifyRequest(image=image)))
        assert (found.code, found.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_UNREACHABLE")
        assert service.sum("recognition_batch_size_sum") == 0


async def test_a_failed_inference(house: InProcess, image: bytes) -> None:
    """INTERNAL without a word of the runtime's, which is in the log; the next image is answered."""
    white = encode(picture(0, brightness=DAZZLING))
    found = await refused(house.stub.Classify(classify(white, "fragile")))
    assert (found.code, found.reason) == ("INTERNAL", "INFERENCE_FAILED")
    (logged,) = house.events("inference failed")
    assert "Gather" in str(logged["exc_info"])
    assert (await house.stub.Classify(classify(image, "fragile"))).model.name == "fragile"


async def test_a_server_that_is_shutting_down(models: Path, image: bytes) -> None:
    """UNAVAILABLE, which clients take to another server."""
    async with serving(models) as service:
        await service.server._door.close(within_seconds=0)
        for call in (service.stub.Classify(classify(image)), service.stub.ListModels(pb.ListModelsRequest())):
            found = await refused(call)
            assert (found.code, found.reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
