"""An image that comes alone: prepared and computed in one go (service/engine/lone.py), and when it is."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from service.engine.batcher import Batcher, BatchPolicy, BatchReport, Closed, Tensor
from service.engine.decode import ImageLimits, decode
from service.engine.decoders import InThread
from service.engine.jpeg import Pixels
from service.engine.lone import Lone
from service.engine.pipeline import Classifier
from service.engine.prepared import Prepared
from service.engine.response_cache import ResponseCache
from service.engine.session import Outputs
from service.errors import CallerGone, DeadlineUnreachable, ImageUnreadable, InferenceFailed, ShuttingDown
from service.models.manifest import Calibration, InputSpec, PixelFormat
from tests.service.engine.fake_session import FakeSession
from tests.service.packages import encode

SPEC = InputSpec(pixel_format=PixelFormat.GRAY8, height=2, width=3, mean=(0.0,), std=(1.0,))
TWO_LANES = BatchPolicy(lanes=2)


def file(value: int) -> bytes:
    return encode(np.full((5, 4), value, dtype=np.uint8))


def prepared(value: int = 1) -> Prepared:
    return Prepared(tensor=np.full((2, 3, 1), value, dtype=np.uint8), decode_seconds=0.0, preprocess_seconds=0.0)


def outputs_of(images: Tensor) -> Outputs:
    values = images[:, 0, 0, :1].astype(np.float32)
    return Outputs(logits=np.concatenate([values, -values], axis=1), embeddings=None)


class Subject:
    """A classifier whose session is in this process; notes in which way each image went."""

    def __init__(self, policy: BatchPolicy = TWO_LANES) -> None:
        self.session = FakeSession()
        self.reports: list[BatchReport] = []
        self.decoded_in: list[str] = []
        self.held = threading.Event()
        self.held.set()
        self.workers = ThreadPoolExecutor(2, thread_name_prefix="decode")
        self.runner = ThreadPoolExecutor(2, thread_name_prefix="session")
        self.batcher = Batcher(self.session.run, policy, run_job=self._run_lone, observe=self.reports.append)
        self.classifier = Classifier(
            spec=SPEC,
            labels=("bright", "dark"),
            calibration=Calibration(temperature=100.0, unknown_threshold=None),
            limits=ImageLimits(),
            batcher=self.batcher,
            workers=self.workers,
            decoders=InThread(ImageLimits(), decode=self._decode),
        )

    def _decode(self, data: bytes, **options: Any) -> Pixels:
        self.decoded_in.append(threading.current_thread().name.partition("_")[0])
        assert self.held.wait(60)
        return decode(data, **options)

    async def _run_lone(self, lone: Lone[Any]) -> Outputs | None:
        return await asyncio.get_running_loop().run_in_executor(self.runner, lone.compute, outputs_of)

    async def classify(self, value: int, **options: Any) -> str:
        answer = await self.classifier.classify(file(value), top_k=1, **options)
        return answer.classification.predictions[0].label

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.001)


Start = Callable[..., Awaitable[Subject]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[Subject] = []

    async def begin(policy: BatchPolicy = TWO_LANES) -> Subject:
        subject = Subject(policy)
        started.append(subject)
        await subject.batcher.start()
        return subject

    yield begin
    for subject in started:
        subject.held.set()
        subject.session.gate.set()
        await subject.batcher.drain()
        subject.workers.shutdown()
        subject.runner.shutdown()


def test_it_is_prepared_and_then_computed() -> None:
    """With a note of when each began."""
    lone = Lone(prepared, deadline=time.monotonic() + 60)
    assert (lone.came_at, lone.began_at) == (float("inf"), float("inf"))
    outputs = lone.compute(outputs_of)
    assert outputs is not None
    assert outputs.logits.tolist() == [[1.0, -1.0]]
    assert lone.came_at <= lone.began_at <= time.monotonic()
    assert lone.refusal is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_nothing_is_computed_for_nobody_or_too_late(when: str) -> None:
    """Whether it is known before the image is prepared or only then; it never counts as begun."""
    gone = Lone(lambda: end(gone), deadline=None)
    gone.wanted = when == "after"

    def end(lone: "Lone[Prepared]") -> Prepared:
        lone.wanted = False
        return prepared()

    def slowly() -> Prepared:
        late._deadline = 0.0
        return prepared()

    late = Lone(slowly, deadline=time.monotonic() + 600 if when == "after" else 0.0)
    for lone, error in ((gone, CallerGone), (late, DeadlineUnreachable)):
        assert lone.compute(outputs_of) is None
        assert isinstance(lone.refusal, error)
        assert lone.began_at == float("inf")
        assert (lone.prepared is None) == (when == "before")


async def test_an_image_that_comes_alone_is_decoded_by_the_session_s_thread(start: Start) -> None:
    """And told of as any other: its stages, its batch."""
    subject = await start()
    answer = await subject.classifier.classify(file(50), top_k=1)
    assert answer.classification.predictions[0].label == "bright"
    assert subject.decoded_in == ["session"]
    assert subject.session.batches == []
    times = answer.times
    assert times.decode > 0.0
    assert times.queue >= 0.0
    assert times.computed_at >= times.began_at + times.decode + times.preprocess
    (report,) = subject.reports
    assert (report.size, report.closed, report.queue_seconds) == (1, Closed.IDLE, (times.queue,))
    assert report.inference_seconds == times.inference


async def test_the_time_of_its_decoding_is_no_waiting_and_no_inference(start: Start) -> None:
    """Half a second of it is in its own stage only."""
    subject = await start()
    subject.held.clear()
    asyncio.get_running_loop().call_later(0.5, subject.held.set)
    times = (await subject.classifier.classify(file(1), top_k=1)).times
    assert times.decode >= 0.4
    assert times.queue + times.inference < times.decode


async def test_what_comes_meanwhile_goes_the_usual_way(start: Start) -> None:
    """It is decoded beside the first and computed on the other lane, and does not wait for it."""
    subject = await start()
    subject.held.clear()
    first = asyncio.create_task(subject.classify(1))
    await subject.until(lambda: subject.decoded_in == ["session"])
    second = asyncio.create_task(subject.classify(2))
    await subject.until(lambda: len(subject.decoded_in) == 2)
    subject.held.set()
    assert [await first, await second] == ["bright", "bright"]
    assert subject.decoded_in == ["session", "decode"]
    assert subject.session.batches == [[2]]


@pytest.mark.parametrize(
    "policy",
    [BatchPolicy(lanes=1), BatchPolicy(lanes=2, max_delay_seconds=0.001), BatchPolicy(lanes=2, ahead=1)],
    ids=["one lane", "who waits for company", "a GPU"],
)
async def test_where_it_would_be_in_the_way_of_others_it_is_not_done(start: Start, policy: BatchPolicy) -> None:
    """A single lane is not to be held up by a picture that takes long to decode."""
    subject = await start(policy)
    await subject.classify(1)
    assert subject.decoded_in == ["decode"]
    assert subject.session.batches == [[1]]


async def test_where_answers_are_kept_it_is_looked_for_first(start: Start) -> None:
    """In the way that looks."""
    subject = await start()
    subject.classifier.remember_in(ResponseCache(2**20).part_of("m", digest="d", precision="fp32"))
    assert [await subject.classify(1), await subject.classify(1)] == ["bright", "bright"]
    assert subject.decoded_in == ["decode"]
    assert subject.session.batches == [[1]]


async def test_a_bad_image_is_its_own_trouble(start: Start) -> None:
    """Its error is told as it is, no batch is reported, and the next one is answered."""
    subject = await start()
    with pytest.raises(ImageUnreadable):
        await subject.classifier.classify(b"no image", top_k=1)
    assert subject.reports == []
    assert await subject.classify(1) == "bright"


async def test_an_error_that_nobody_foresaw_is_not_told_to_the_caller(start: Start) -> None:
    """Its cause is for the log."""
    subject = await start()

    def broken() -> Prepared:
        raise RuntimeError("secret")

    with pytest.raises(InferenceFailed, match="could not compute") as caught:
        await subject.batcher.submit_lone(Lone(broken, deadline=None))
    assert str(caught.value.__cause__) == "secret"


async def test_another_number_of_answers_is_the_model_s_fault(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a batch."""
    subject = await start()
    both = Outputs(logits=np.zeros((2, 2), dtype=np.float32), embeddings=None)
    monkeypatch.setattr(f"{__name__}.outputs_of", lambda _: both)
    with pytest.raises(InferenceFailed, match="another number of answers"):
        await subject.classify(1)


async def test_who_goes_away_while_it_is_decoded_costs_no_inference(start: Start) -> None:
    """And nobody is in the way of the drain."""
    subject = await start()
    subject.held.clear()
    task = asyncio.create_task(subject.classify(1))
    await subject.until(lambda: subject.decoded_in == ["session"])
    task.cancel()
    await asyncio.wait([task])
    subject.held.set()
    await subject.batcher.drain()
    assert task.cancelled()
    assert subject.reports == []


async def test_a_long_decoding_is_no_session_that_hangs(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a picture could have the service restarted."""
    monkeypatch.setattr("service.engine.running.UNMEASURED_SECONDS", 0.0)
    subject = await start()
    subject.held.clear()
    task = asyncio.create_task(subject.classify(1))
    await subject.until(lambda: subject.decoded_in == ["session"])
    assert subject.batcher.hanging_seconds == 0.0
    subject.held.set()
    await task


async def test_after_the_drain_it_is_refused(start: Start) -> None:
    """Undecoded."""
    subject = await start()
    await subject.batcher.drain()
    with pytest.raises(ShuttingDown):
        await subject.classify(1)
    assert subject.decoded_in == []


async def test_its_cost_is_known_to_the_line_before_decoding(start: Start) -> None:
    """Whoever comes later is told in time when it would take too long."""
    subject = await start()
    await subject.classify(1)
    assert subject.classifier._line._each_seconds > 0.0
