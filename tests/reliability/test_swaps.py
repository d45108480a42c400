"""R6, R7: new versions and broken ones come under load. No request fails, and each answer is one version's own."""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.running_service import RunningService
from tests.reliability.figures import Size, record, sizes
from tests.reliability.load import channel_to, classify, closed_loop, codes_of, seconds_of
from tests.reliability.numbered import NAME, publish
from tests.reliability.observed import adds_up, metric
from tests.reliability.versions import Versions
from tests.service.models.damage import edit_manifest, flip_bit, graph_of_single_images, graph_with, replace_file

CALLERS = 8


@pytest.fixture
def versions(numbered_models: Path) -> Versions:
    versions = Versions(root=numbered_models)
    versions.know()
    return versions


@sizes(Size(seconds=0, count=2), Size(seconds=240, count=50, strict=True))
async def test_swaps_under_load_fail_no_request(service: RunningService, versions: Versions, size: Size) -> None:
    """50 swaps, 20,000 requests and more: 0 failures."""
    async with channel_to(service.target) as channel:
        quiet = await closed_loop(lambda n: classify(channel, n), callers=CALLERS, until=lambda calls: calls >= 200)

        async def swap() -> None:
            for _ in range(size.count):
                await versions.swap(channel)

        swapping = asyncio.create_task(swap())
        enough = 400 * size.count
        outcomes = await closed_loop(
            lambda n: classify(channel, n * 7919 % 2**24),
            callers=CALLERS,
            until=lambda calls: swapping.done() and calls >= enough,
        )
        await swapping
    versions.check(outcomes)
    record(
        "R6 hot swap",
        size,
        swaps=size.count,
        requests=len(outcomes),
        codes=codes_of(outcomes),
        p99_ms=1e3 * seconds_of(outcomes, percentile=99),
        p99_ms_without_swaps=1e3 * seconds_of(quiet, percentile=99),
        versions_that_answered=len({one.response.model.version for one in outcomes if one.response is not None}),
    )
    assert set(codes_of(outcomes)) == {"OK"}
    assert adds_up(service)


def corruptions() -> list[Callable[[Path], None]]:
    """What can be wrong with a package; each leaves the rest as it was."""
    return [
        lambda package: flip_bit(package / "model.onnx", part=random.random()),
        lambda package: flip_bit(package / "golden.npz", part=random.random()),
        lambda package: (package / "model.onnx").write_bytes((package / "model.onnx").read_bytes()[:100]) and None,
        lambda package: (package / "golden.npz").write_bytes(b"") and None,
        lambda package: (package / "manifest.json").write_bytes(b"{") and None,
        lambda package: (package / "model.onnx").unlink(),
        lambda package: replace_file(package, "model.onnx", graph_of_single_images()),
        lambda package: replace_file(package, "model.onnx", graph_with("gain", 3.0)),
        lambda package: replace_file(package, "model.onnx", graph_with("gain", float("nan"))),
        lambda package: replace_file(package, "model.onnx", b"no graph"),
        lambda package: edit_manifest(package, lambda values: values.update(labels=["left", "right"])),
        lambda package: edit_manifest(package, lambda values: values.update(version=1_000_000)),
        lambda package: edit_manifest(package, lambda values: values.update(surprise=1)),
        lambda package: edit_manifest(package, lambda values: values["input"].update(height=9)),
    ]


@sizes(Size(seconds=0, count=4), Size(seconds=120, count=100, strict=True))
async def test_corrupted_packages_are_refused_while_the_old_one_answers(
    service: RunningService, versions: Versions, size: Size, tmp_path: Path
) -> None:
    """100 of 100 refused, by digest, manifest, graph or golden samples; nobody notices."""
    before = versions.newest()
    refused = metric(service, "recognition_reloads_total", outcome="refused")
    kinds = corruptions()

    async def refusals() -> float:
        return await asyncio.to_thread(metric, service, "recognition_reloads_total", outcome="refused") - refused

    async def publish_corrupted() -> None:
        for number in range(size.count):
            version = before + 1000 + number
            await asyncio.to_thread(publish, tmp_path, version)
            kinds[number % len(kinds)](tmp_path / NAME / str(version))
            (tmp_path / NAME / str(version)).rename(versions.root / NAME / str(version))
            end = time.monotonic() + 60
            while await refusals() <= number:
                assert time.monotonic() < end, f"corruption {number % len(kinds)} was not refused"
                await asyncio.sleep(0.05)
            # Away in one step: a half removed package would be looked at, and refused, once more.
            (versions.root / NAME / str(version)).rename(tmp_path / NAME / str(version))

    async with channel_to(service.target) as channel:
        publishing = asyncio.create_task(publish_corrupted())
        outcomes = await closed_loop(
            lambda n: classify(channel, n), callers=2, until=lambda calls: publishing.done() and calls > 100
        )
        await publishing
    versions.check(outcomes)
    answered = {one.response.model.version for one in outcomes if one.response is not None}
    record("R7 corrupt package", size, refused=await refusals(), requests=len(outcomes), codes=codes_of(outcomes))
    assert (set(codes_of(outcomes)), answered) == ({"OK"}, {before})
    assert await refusals() == size.count
