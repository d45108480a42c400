"""Answers as they are ready: order, back-pressure, errors, and nothing left behind."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable

import pytest

from service.api.stream import answers_as_ready
from service.errors import ShuttingDown

SECONDS = 10


class Work:
    """Answers a request when it is told to; notes what was begun and how many were at work at once."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.at_work = 0
        self.most = 0
        self.changed = asyncio.Event()
        self.done: dict[int, asyncio.Event] = {}

    async def answer(self, request: int) -> str:
        self.begun.append(request)
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        self.changed.set()
        try:
            await self.done.setdefault(request, asyncio.Event()).wait()
        finally:
            self.at_work -= 1
        return f"answer {request}"

    def finish(self, request: int) -> None:
        self.done.setdefault(request, asyncio.Event()).set()

    async def until_begun(self, count: int) -> None:
        async with asyncio.timeout(SECONDS):
            while len(self.begun) < count:
                self.changed.clear()
                await self.changed.wait()


async def sent(requests: Iterable[int]) -> AsyncIterator[int]:
    for request in requests:
        yield request


async def settle() -> None:
    """Lets everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def others() -> set["asyncio.Task[object]"]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_all_are_answered() -> None:
    """Each once."""

    async def double(request: int) -> int:
        return 2 * request

    answers = [answer async for answer in answers_as_ready(sent(range(100)), double, limit=7)]
    assert sorted(answers) == [2 * request for request in range(100)]


async def test_a_stream_of_nothing_ends() -> None:
    """At once and without an answer."""
    work = Work()
    assert [answer async for answer in answers_as_ready(sent([]), work.answer, limit=1)] == []


async def test_answers_come_as_they_are_ready() -> None:
    """A slow one holds nobody up."""
    work = Work()
    answers = answers_as_ready(sent([1, 2, 3]), work.answer, limit=3)
    for request in (3, 1, 2):
        work.finish(request)
        assert await anext(answers) == f"answer {request}"
    assert [answer async for answer in answers] == []


async def test_no_more_than_the_limit_are_at_work() -> None:
    """The next begins when an answer was taken."""
    work = Work()
    answers = answers_as_ready(sent(range(5)), work.answer, limit=2)
    first = asyncio.ensure_future(anext(answers))
    await work.until_begun(2)
    await settle()
    assert work.begun == [0, 1]
    work.finish(0)
    await first
    await settle()
    assert work.begun == [0, 1]
    second = asyncio.ensure_future(anext(answers))
    await work.until_begun(3)
    for request in range(5):
        work.finish(request)
    await second
    assert len([answer async for answer in answers]) == 3
    assert work.most == 2


async def test_a_slow_reader_holds_the_sender_back() -> None:
    """Answers that nobody takes keep their places: at most `limit` requests are read ahead."""
    taken: list[int] = []

    async def sender() -> AsyncIterator[int]:
        for request in range(1000):
            taken.append(request)
            yield request

    async def at_once(request: int) -> int:
        return request

    answers = answers_as_ready(sender(), at_once, limit=3)
    await anext(answers)
    await settle()
    assert len(taken) <= 1 + 3
    for _ in range(10):
        await anext(answers)
    await settle()
    assert 11 <= len(taken) <= 11 + 3
    await answers.aclose()  # type: ignore[attr-defined] # it is a generator


@pytest.mark.parametrize("failing", [{1}, {0, 1, 2}])
async def test_an_error_ends_the_stream_as_itself(failing: set[int]) -> None:
    """However many fail at once, the caller sees one of them and no group; the others' work is given up."""
    gate = asyncio.Event()

    async def answer(request: int) -> int:
        await gate.wait()
        if request in failing:
            raise LookupError(f"request {request}")
        await asyncio.Event().wait()
        return request

    answers = answers_as_ready(sent(range(3)), answer, limit=3)
    waiting = asyncio.ensure_future(anext(answers))
    await settle()
    gate.set()
    with pytest.raises(LookupError, match="request"):
        await asyncio.wait_for(waiting, SECONDS)
    await settle()
    assert others() == set()


async def test_an_error_of_the_sender_ends_the_stream() -> None:
    """What was answered before is still given."""

    async def sender() -> AsyncIterator[int]:
        yield 1
        await settle()
        raise LookupError("the sender")

    async def at_once(request: int) -> int:
        return request

    answers = answers_as_ready(sender(), at_once, limit=3)
    assert await anext(answers) == 1
    with pytest.raises(LookupError, match="the sender"):
        await anext(answers)


async def test_an_error_does_not_wait_for_the_next_request() -> None:
    """A caller that sends nothing more still learns of it."""

    async def sender() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def answer(request: int) -> int:
        raise LookupError(str(request))

    with pytest.raises(LookupError):
        await asyncio.wait_for(anext(answers_as_ready(sender(), answer, limit=3)), SECONDS)


async def test_a_reader_that_leaves_early_leaves_nothing_behind() -> None:
    """The work is given up and no task stays."""
    work = Work()
    answers = answers_as_ready(sent(range(5)), work.answer, limit=3)
    work.finish(0)
    await anext(answers)
    await work.until_begun(3)
    await answers.aclose()  # type: ignore[attr-defined] # it is a generator
    await settle()
    assert others() == set()
    assert work.at_work == 0


async def test_a_reader_that_is_cancelled_leaves_nothing_behind() -> None:
    """As when the caller hangs up while nothing is ready."""
    work = Work()

    async def read() -> None:
        async for _ in answers_as_ready(sent(range(5)), work.answer, limit=3):
            pass

    reader = asyncio.create_task(read())
    await work.until_begun(3)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await settle()
    assert others() == set()
    assert work.at_work == 0


async def test_when_the_door_closes_what_was_read_is_answered_and_no_more_is_read() -> None:
    """A stream that would go on for ever ends with ShuttingDown after the answers that it owes."""
    closing = asyncio.Event()
    read: list[int] = []
    at_work: list[int] = []

    async def endless() -> AsyncIterator[int]:
        for number in itertools.count():
            read.append(number)
            yield number
            await asyncio.sleep(0)

    async def slow(number: int) -> int:
        at_work.append(number)
        if len(at_work) == 3:
            closing.set()
        await closing.wait()
        return number

    answered: list[int] = []

    async def take_all() -> None:
        async for answer in answers_as_ready(endless(), slow, limit=3, closing=closing):
            answered.append(answer)  # noqa: PERF401 - what came before the end counts

    with pytest.raises(ShuttingDown):
        await take_all()
    assert len(answered) >= 3
    assert sorted(answered) == list(range(len(answered)))
    assert len(read) <= len(answered) + 1


async def test_a_stream_that_waits_for_its_sender_ends_when_the_door_closes() -> None:
    """An idle stream does not hold the shutdown up."""
    closing = asyncio.Event()

    async def silent() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def same(number: int) -> int:
        return number

    answers = answers_as_ready(silent(), same, limit=3, closing=closing)
    assert await anext(answers) == 1
    closing.set()
    with pytest.raises(ShuttingDown):
        await anext(answers)
