"""Images before they are decoded (service/engine/decode_line.py): who finds no room or no time is told at once."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.engine.batcher import Batcher, BatchPolicy
from service.engine.decode_line import DecodeLine
from service.engine.priority import Priority
from service.errors import DeadlineUnreachable, QueueFull
from tests.service.engine.fake_session import FakeSession


async def test_what_is_being_decoded_takes_room_and_time() -> None:
    """As much as the images before took; with nobody before it an image is always tried."""
    batcher = Batcher(FakeSession().run, BatchPolicy(max_queue_images=20))
    await batcher.start()
    release = threading.Event()
    with ThreadPoolExecutor(2) as workers:
        line = DecodeLine(workers, batcher)
        line._each_seconds = 1.0
        line.check_room(deadline=time.monotonic() + 1, priority=Priority.NORMAL)
        decoding = asyncio.create_task(line.run(release.wait, 60.0, 16, priority=Priority.NORMAL))
        await asyncio.sleep(0)
        line.check_room(deadline=time.monotonic() + 100, priority=Priority.NORMAL)
        with pytest.raises(DeadlineUnreachable):  # sixteen seconds for two threads
            line.check_room(deadline=time.monotonic() + 7, priority=Priority.NORMAL)
        more = asyncio.create_task(line.run(release.wait, 60.0, 4, priority=Priority.HIGH))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match="20 images are waiting"):
            line.check_room(deadline=None, priority=Priority.NORMAL)
        release.set()
        await asyncio.gather(decoding, more)
        line.check_room(deadline=time.monotonic() + 1, priority=Priority.NORMAL)
        assert line._each_seconds < 1.0
    await batcher.drain()


async def test_what_cannot_be_decoded_takes_no_room_afterwards() -> None:
    """Its error is the caller's."""

    def broken(_images: bytes) -> None:
        raise ValueError("broken")

    batcher = Batcher(FakeSession().run, BatchPolicy(max_queue_images=1))
    with ThreadPoolExecutor(1) as workers:
        line = DecodeLine(workers, batcher)
        for _ in range(3):
            line.check_room(deadline=None, priority=Priority.NORMAL)
            with pytest.raises(ValueError, match="broken"):
                await line.run(broken, b"", 1, priority=Priority.NORMAL)


async def test_whoever_goes_first_does_not_count_those_who_are_decoded_to_wait_behind() -> None:
    """Before the session a higher priority overtakes; and a batch job that fills the room has nobody else refused."""
    batcher = Batcher(FakeSession().run, BatchPolicy(max_batch_size=1, max_queue_images=20))
    batcher.expect({1: 1.0})
    release = threading.Event()
    with ThreadPoolExecutor(2) as workers:
        line = DecodeLine(workers, batcher)
        decoding = asyncio.create_task(line.run(release.wait, 60.0, 16, priority=Priority.LOW))
        await asyncio.sleep(0)
        line.check_room(deadline=time.monotonic() + 8, priority=Priority.HIGH)
        with pytest.raises(DeadlineUnreachable):
            line.check_room(deadline=time.monotonic() + 8, priority=Priority.LOW)
        more = asyncio.create_task(line.run(release.wait, 60.0, 4, priority=Priority.LOW))
        await asyncio.sleep(0)
        line.check_room(deadline=None, priority=Priority.NORMAL)
        with pytest.raises(QueueFull, match="20 images are waiting"):
            line.check_room(deadline=None, priority=Priority.LOW)
        release.set()
        await asyncio.gather(decoding, more)


@pytest.mark.parametrize("small", [True, False])
async def test_small_files_wait_for_the_threads_that_they_may_have(small: bool) -> None:
    """Sixteen seconds for one of four threads, or for all of them."""
    batcher = Batcher(FakeSession().run, BatchPolicy())
    release = threading.Event()
    with ThreadPoolExecutor(4) as workers:
        line = DecodeLine(workers, batcher, small_at_once=1)
        line._each_seconds = 1.0
        decoding = asyncio.create_task(line.run(release.wait, 60.0, 16, priority=Priority.NORMAL, small=small))
        await asyncio.sleep(0)
        line.check_room(deadline=time.monotonic() + (100 if small else 10), priority=Priority.NORMAL)
        with pytest.raises(DeadlineUnreachable):
            line.check_room(deadline=time.monotonic() + (15 if small else 3), priority=Priority.NORMAL)
        release.set()
        await decoding
        line.check_room(deadline=time.monotonic() + 3, priority=Priority.NORMAL)


async def test_small_files_and_others_do_not_wait_for_each_other() -> None:
    """Nor do small ones wait for the loop: the next is with its thread before."""
    batcher = Batcher(FakeSession().run, BatchPolicy())
    large, small = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as workers:
        line = DecodeLine(workers, batcher, small_at_once=1)
        others = asyncio.create_task(line.run(large.wait, 60.0, 16, priority=Priority.NORMAL))
        await asyncio.sleep(0)
        first, second = (
            asyncio.create_task(line.run(small.wait, 60.0, 16, priority=Priority.NORMAL, small=True)) for _ in range(2)
        )
        await asyncio.sleep(0)
        small.set()
        assert all(await asyncio.gather(first, second))
        assert not others.done()
        large.set()
        await others


async def test_the_threads_of_a_version_that_answers_no_more_end() -> None:
    """And who comes all the same is decoded by those of all versions."""
    with ThreadPoolExecutor(1, thread_name_prefix="shared") as workers:
        line = DecodeLine(workers, Batcher(FakeSession().run, BatchPolicy()), small_at_once=1)
        thread = await line.run(lambda _: threading.current_thread(), None, 1, priority=Priority.LOW, small=True)
        assert thread.name.startswith("decode-small")
        line.close()
        await asyncio.to_thread(thread.join, 60)
        assert not thread.is_alive()
        other = await line.run(lambda _: threading.current_thread(), None, 1, priority=Priority.LOW, small=True)
        assert other.name.startswith("shared")
