"""Images that mean harm, through the real service: each has an answer or INVALID_ARGUMENT, and harms nobody else."""

import os
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from google.rpc import code_pb2
from recognition.v1 import recognition_pb2 as pb

from tests.reliability.figures import Size, record
from tests.reliability.hostile_images import bombs, mutated, text_bomb
from tests.service.api.refusals import refusal_of
from tests.service.in_process import InProcess, serving
from tests.service.packages import PackageRecipe, encode, picture

NEIGHBOURS = [encode(picture(place)) for place in range(3)]
IN_A_BATCH = 20
REFUSED_WITHIN_SECONDS = 0.020
REFUSED_ON_ANY_MACHINE_SECONDS = 0.2
"""A tenth of what the smallest bomb costs where it is believed."""
MOST_GROWTH_BYTES = 32 * 2**20


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository that holds one small model."""
    root = tmp_path / "models"
    PackageRecipe().write(root)
    return root


async def ask(service: InProcess, images: list[bytes]) -> list[pb.ClassifyResult]:
    request = pb.BatchClassifyRequest(images=images)
    return list((await service.stub.BatchClassify(request, timeout=100)).results)


async def mutations(models: Path, count: int, *, seed: int = 0, **settings: object) -> Counter[str]:
    """Sends so many mutated images among good ones; gives how often each outcome came."""
    outcomes: Counter[str] = Counter()
    async with serving(models, **settings) as service:
        alone = [(await ask(service, [image]))[0] for image in NEIGHBOURS]
        hostile = list(mutated(count, seed=seed))
        for begin in range(0, count, IN_A_BATCH):
            part = hostile[begin : begin + IN_A_BATCH]
            results = await ask(service, [NEIGHBOURS[0], *part, NEIGHBOURS[1], NEIGHBOURS[2]])
            assert [results[0], *results[-2:]] == alone, f"neighbours of {begin} to {begin + len(part)}"
            outcomes.update(
                code_pb2.Code.Name(result.error.code) if result.HasField("error") else "OK" for result in results[1:-2]
            )
        assert service.events("call failed") == []
    return outcomes


async def test_mutated_images_are_answered_or_refused(models: Path) -> None:
    """1,500 of all formats; the scores of the good images among them stay the same, to the bit."""
    outcomes = await mutations(models, 1500, max_request_images=IN_A_BATCH + 3)
    assert set(outcomes) == {"OK", "INVALID_ARGUMENT"}
    assert outcomes.total() == 1500
    assert outcomes["INVALID_ARGUMENT"] > 500


@pytest.mark.long
async def test_ten_thousand_mutated_images_are_answered_or_refused(models: Path) -> None:
    """Others than those of the fast test."""
    outcomes = await mutations(models, 10_000, seed=1)
    record("R8 mutated images", Size(seconds=0, count=10_000, strict=True), outcomes=outcomes)
    assert set(outcomes) == {"OK", "INVALID_ARGUMENT"}
    assert outcomes.total() == 10_000


async def refusals(models: Path) -> tuple[list[float], list[float], int]:
    """Sends a hundred bombs; gives what each took by the clock and of the processors, and the memory's growth."""
    process = psutil.Process(os.getpid())
    files = bombs()
    assert len(files) == 100
    async with serving(models) as service:
        for data in files[:10]:  # what is imported or allocated once
            await ask(service, [data])
        before, clock, processors = process.memory_info().rss, [], []
        for data in files:
            began, spent = time.perf_counter(), time.process_time()
            (result,) = await ask(service, [data])
            clock.append(time.perf_counter() - began)
            processors.append(time.process_time() - spent)
            assert refusal_of(result.error).code == "INVALID_ARGUMENT"
        return sorted(clock), sorted(processors), process.memory_info().rss - before


async def test_a_hundred_bombs_are_refused_at_once(models: Path) -> None:
    """By their headers: 99 of 100 for a moment of the processors, and the memory stays where it was."""
    _, processors, growth = await refusals(models)
    assert processors[98] <= REFUSED_ON_ANY_MACHINE_SECONDS
    assert growth <= MOST_GROWTH_BYTES


@pytest.mark.long
async def test_a_hundred_bombs_are_refused_within_20_ms(models: Path) -> None:
    """By the clock, from call to answer; for a machine that has nothing else to do."""
    clock, _, growth = await refusals(models)
    record(
        "R9 bombs",
        Size(seconds=0, count=len(clock), strict=True),
        refused=len(clock),
        p99_ms=round(1e3 * clock[98], 1),
        growth_megabytes=round(growth / 2**20, 1),
    )
    assert clock[98] <= REFUSED_WITHIN_SECONDS
    assert growth <= MOST_GROWTH_BYTES


@pytest.mark.parametrize(("texts", "inflated"), [(1, 50 * 2**20), (64, 2**20)])
async def test_texts_of_a_png_may_not_inflate(models: Path, texts: int, inflated: int) -> None:
    """One that is huge, or many that are large: refused before they fill the memory."""
    process = psutil.Process(os.getpid())
    data = text_bomb(texts, inflated=inflated)
    async with serving(models) as service:
        await ask(service, [text_bomb(1, inflated=1000)])
        before = process.memory_info().rss
        (result,) = await ask(service, [data])
        assert refusal_of(result.error).reason == "IMAGE_UNREADABLE"
        assert process.memory_info().rss - before <= MOST_GROWTH_BYTES
