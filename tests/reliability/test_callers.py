"""R4, R24, R22: callers that go away, and answers that must belong to who asked, through chaos."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from pathlib import Path

import grpc
import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub

from tests.integration.running_service import RunningService, running_service
from tests.reliability.conftest import SHARED
from tests.reliability.figures import Size, record, sizes
from tests.reliability.load import channel_to, classify, closed_loop, codes_of, seconds_of
from tests.reliability.numbered import number_of, picture_of, publish
from tests.reliability.observed import adds_up, count_of_series, metric, until_at_rest
from tests.reliability.versions import Versions

IN_A_CALL = 20
BAD = b"no image"
WORK = 5000
"""Makes an image cost milliseconds, as with a real model."""


@sizes(Size(seconds=0, count=100), Size(seconds=0, count=1000, strict=True))
async def test_cancels_at_random_moments_harm_nobody(
    service: RunningService, numbered_models: Path, tmp_path: Path, size: Size
) -> None:
    """1,000 cancels: each call ends once, nothing stays in flight, and calls in the same batches are answered right.

    In the long form an image costs something, so that calls are inside for long enough to be cancelled there.
    """
    if not size.strict:
        await cancels(service, numbered_models, size)
        return
    publish(tmp_path, 1, work=WORK)
    with running_service(tmp_path, *SHARED) as working:
        await cancels(working, tmp_path, size)


async def cancels(service: RunningService, root: Path, size: Size) -> None:
    versions = Versions(root=root)
    versions.know()
    ended: Counter[str] = Counter()
    cancelled_before = metric(service, "recognition_ended_total", outcome="cancelled")

    async def cancel_one(channel: grpc.aio.Channel, number: int) -> None:
        call = RecognitionServiceStub(channel).Classify(pb.ClassifyRequest(image=picture_of(number)), timeout=60)
        await asyncio.sleep(random.uniform(0.0, 1.2 * typical))
        call.cancel()
        try:
            await call
            ended["OK"] += 1
        except asyncio.CancelledError:
            ended["CANCELLED"] += 1

    async with channel_to(service.target) as channel:
        as_many = await closed_loop(lambda n: classify(channel, n), callers=24, until=lambda calls: calls >= 120)
        typical = seconds_of(as_many, percentile=50)
        stop = asyncio.Event()
        mates = asyncio.create_task(
            closed_loop(lambda n: classify(channel, n), callers=4, until=lambda _: stop.is_set())
        )
        for begin in range(0, size.count, 20):
            await asyncio.gather(*(cancel_one(channel, begin + place) for place in range(20)))
        stop.set()
        outcomes = await mates
    rest = await asyncio.to_thread(until_at_rest, service, within=30)
    versions.check(outcomes)
    cancelled = metric(service, "recognition_ended_total", outcome="cancelled") - cancelled_before
    record(
        "R4 cancellation",
        size,
        ended=ended,
        seconds_until_at_rest=round(rest, 3),
        mates=codes_of(outcomes),
        cancelled_at_the_server=cancelled,
    )
    assert ended.total() == size.count
    assert set(codes_of(outcomes)) == {"OK"}
    assert adds_up(service)
    if size.strict:
        assert rest <= 1.0
        assert cancelled >= size.count / 10


class Embeddings:
    """Calls with several numbered images each, one of them in 23 broken and one call in 17 cancelled."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = RecognitionServiceStub(channel)
        self._typical = 0.01
        self.found: Counter[str] = Counter()

    async def ask(self, call_number: int) -> None:
        numbers = [(call_number * IN_A_CALL + place) * 7919 % 2**24 for place in range(IN_A_CALL)]
        images = [BAD if is_bad(number) else picture_of(number) for number in numbers]
        call = self._stub.Embed(pb.EmbedRequest(images=images), timeout=60)
        began = time.monotonic()
        if call_number % 17 == 0:
            await asyncio.sleep(random.uniform(0.0, 2 * self._typical))
            call.cancel()
        try:
            results = (await call).results
            self._typical = time.monotonic() - began
        except asyncio.CancelledError:
            self.found["cancelled"] += IN_A_CALL
            return
        self.found.update(judged(number, result) for number, result in zip(numbers, results, strict=True))


def is_bad(number: int) -> bool:
    return number % 23 == 0


def judged(number: int, result: pb.EmbedResult) -> str:
    """Whether a result is that of the image with this number."""
    if result.HasField("error") or is_bad(number):
        return "refused" if result.HasField("error") and is_bad(number) else "wrong"
    return "right" if number_of(result.embedding.values) == number else "wrong"


@sizes(Size(seconds=0, count=2000), Size(seconds=0, count=100_000, strict=True))
async def test_no_answer_belongs_to_another_request(service: RunningService, numbered_models: Path, size: Size) -> None:
    """100,000 numbered images among cancels, bad images and swaps: each answer gives its own number back."""
    versions = Versions(root=numbered_models)
    numbers = iter(range(size.count // IN_A_CALL))
    answered = asyncio.Event()

    async def swap_now_and_then(channel: grpc.aio.Channel) -> None:
        while not answered.is_set():  # a swap that has begun is ended: the next test finds no half of one
            await versions.swap(channel)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(answered.wait(), 2)

    async with channel_to(service.target) as channel:
        embeddings = Embeddings(channel)

        async def caller() -> None:
            for number in numbers:
                await embeddings.ask(number)

        swapping = asyncio.create_task(swap_now_and_then(channel))
        await asyncio.gather(*(caller() for _ in range(8)))
        answered.set()
        await swapping
    await asyncio.to_thread(until_at_rest, service, within=30)
    record("R24 cross-talk", size, images=embeddings.found, swaps=len(versions.since))
    assert embeddings.found["wrong"] == 0
    assert embeddings.found.total() == size.count
    assert adds_up(service)
    if size.strict:
        assert len(versions.since) >= 3


async def test_what_clients_send_is_neither_a_line_nor_a_series(service: RunningService) -> None:
    """Line ends, escapes, long names, compressed messages: the log stays JSON (the end of the service checks it), and
    no series comes.
    """
    names = ["a\r\nb", '{"event": "forged"}\n', "\x1b[31mred", "x" * 60_000, "\u2028", "'\"\\", "\x00", "😀\u202e"]
    counts = []
    async with channel_to(service.target) as channel:
        stub = RecognitionServiceStub(channel)
        for round_number in range(2):
            selectors = [pb.ModelSelector(name=name + str(round_number)) for name in names]
            selectors += [pb.ModelSelector(alias=name + str(round_number)) for name in names]
            for selector in selectors:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await stub.Classify(pb.ClassifyRequest(model=selector, image=b"\r\n"), timeout=30)
                assert refused.value.code() is grpc.StatusCode.NOT_FOUND
            with pytest.raises(grpc.aio.AioRpcError, match="disabled"):  # gRPC's core refuses it in its own way
                await stub.Classify(pb.ClassifyRequest(image=BAD * 1000), compression=grpc.Compression.Gzip, timeout=30)
            counts.append(await asyncio.to_thread(count_of_series, service))
    assert counts[0] == counts[1] <= 500
    record("R22 metrics", Size(seconds=0, count=4 * len(names)), series=counts[1])
    assert adds_up(service)
