"""Where a batch is computed: on the loop while that is quick, in the thread as soon as it is not."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from service.engine.batcher import Tensor
from service.engine.layouts import Computing, Layouts
from service.engine.lone import Lone
from service.engine.place import WORTH_SHARING_SECONDS, Place
from service.engine.prepared import Prepared
from service.engine.session import Outputs


class Session:
    """Takes as many seconds as it is told to, on a clock of its own, and notes which thread it ran in."""

    def __init__(self) -> None:
        self.seconds = 0.0001
        self.now = 0.0
        self.threads: list[str] = []

    def run(self, images: Tensor) -> Outputs:
        self.threads.append(threading.current_thread().name)
        self.now += self.seconds
        return Outputs(logits=np.zeros((len(images), 2), dtype=np.float32), embeddings=None)

    def stage(self, images: Tensor) -> Callable[[], Outputs]:
        return lambda: self.run(images)

    @property
    def in_thread(self) -> list[bool]:
        return [name.startswith("session") for name in self.threads]


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1, thread_name_prefix="session") as pool:
        yield pool


def only(session: Computing) -> Layouts:
    return Layouts(lambda: session, name="m")


def batch(size: int) -> Tensor:
    return np.zeros((size, 4, 4, 1), dtype=np.uint8)


async def compute(place: Place, *sizes: int) -> None:
    for size in sizes:
        assert len((await place.compute(batch(size))).logits) == size


async def test_a_size_is_tried_in_the_thread_first(thread: ThreadPoolExecutor) -> None:
    """Nobody knows what it costs; when it was quick, the next one of about its size stays on the loop."""
    session = Session()
    place = Place(only(session), thread, clock=lambda: session.now)
    await compute(place, 1, 1, 8, 9, 15, 16, 1)
    assert session.in_thread == [True, False, True, False, False, True, False]


async def test_a_batch_of_little_work_is_not_shared_among_threads(thread: ThreadPoolExecutor) -> None:
    """One that takes longer is, wherever it is computed."""
    wide, narrow = Session(), Session()
    wide.seconds = WORTH_SHARING_SECONDS * 1.1
    layouts = Layouts(lambda: wide, name="m")
    layouts._narrow = narrow
    place = Place(layouts, thread, clock=lambda: wide.now)
    await compute(place, 1, 1)
    assert (len(wide.threads), len(narrow.threads)) == (2, 0)
    wide.seconds = WORTH_SHARING_SECONDS * 0.5
    await compute(place, 1, 1, 1)
    assert (len(wide.threads), len(narrow.threads)) == (3, 2)


async def test_a_lone_image_is_prepared_by_the_thread_that_computes_it(thread: ThreadPoolExecutor) -> None:
    """Of one that is bad the session hears nothing."""
    session = Session()
    place = Place(only(session), thread, clock=lambda: session.now)
    prepared_in: list[str] = []

    def prepare() -> Prepared:
        prepared_in.append(threading.current_thread().name)
        return Prepared(tensor=batch(1)[0], decode_seconds=0.0, preprocess_seconds=0.0)

    outputs = await place.compute_job(Lone(prepare, deadline=None))
    assert outputs is not None
    assert outputs.logits.shape == (1, 2)
    assert prepared_in == session.threads == ["session_0"]
    assert await place.compute_job(Lone(prepare, deadline=0.0)) is None
    assert prepared_in == session.threads


async def test_what_takes_long_stays_in_the_thread(thread: ThreadPoolExecutor) -> None:
    """The loop has other calls to answer."""
    session = Session()
    session.seconds = 0.02
    place = Place(only(session), thread, clock=lambda: session.now)
    await compute(place, 4, 4, 4)
    assert session.in_thread == [True, True, True]


async def test_a_session_that_becomes_slow_leaves_the_loop_and_may_come_back(thread: ThreadPoolExecutor) -> None:
    """One batch may hold up the loop before it is known."""
    session = Session()
    place = Place(only(session), thread, clock=lambda: session.now)
    await compute(place, 1, 1)
    session.seconds = 0.02
    await compute(place, 1, 1)
    session.seconds = 0.0001
    await compute(place, *[1] * 40)
    assert session.in_thread[:4] == [True, False, False, True]
    assert session.in_thread[-1] is False


async def test_an_error_comes_from_both_places(thread: ThreadPoolExecutor) -> None:
    """Whatever the session raises reaches the batcher."""

    class Broken(Session):
        def run(self, images: Tensor) -> Outputs:
            raise ValueError(f"broken at {len(images)}")

    place = Place(only(Broken()), thread)
    with pytest.raises(ValueError, match="broken"):
        await place.compute(batch(1))


@pytest.mark.parametrize(("size", "on_loop"), [(1, True), (2**17, False)])
async def test_what_is_staged_is_computed_in_the_sessions_thread(
    thread: ThreadPoolExecutor, size: int, on_loop: bool
) -> None:
    """However quick it is; small batches are made ready on the loop, large ones in a third thread."""
    session, staged = Session(), list[str]()

    def stage(images: Tensor) -> Callable[[], Outputs]:
        staged.append(threading.current_thread().name)
        return lambda: session.run(images)

    place = Place(only(session), thread, stage=stage, clock=lambda: session.now)
    await compute(place, size, size)
    assert session.in_thread == [True, True]
    assert [name == threading.current_thread().name for name in staged] == [on_loop, on_loop]
    assert not any(name.startswith("session") for name in staged)
