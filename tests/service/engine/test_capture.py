"""Work goes side by side, recording alone, and neither waits for ever."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from service.engine.capture import Capture

PATIENCE = 60.0


def test_work_goes_side_by_side() -> None:
    """Two are inside at once."""
    capture, together = Capture(), threading.Barrier(2)

    def work() -> None:
        with capture.work():
            together.wait(PATIENCE)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work) for _ in range(2)]:
            done.result(PATIENCE)


def test_recording_goes_alone_and_before_what_comes_later() -> None:
    """It waits for the work that is being done; whoever comes meanwhile waits for it."""
    capture, order, begun, may_end = Capture(), list[str](), threading.Event(), threading.Event()

    def first() -> None:
        with capture.work():
            begun.set()
            may_end.wait(PATIENCE)
            order.append("work")

    def record() -> None:
        with capture.recording():
            order.append("recording")

    def later() -> None:
        with capture.work():
            order.append("later")

    with ThreadPoolExecutor(3) as pool:
        results = [pool.submit(first)]
        assert begun.wait(PATIENCE)
        results.append(pool.submit(record))
        while not capture._wish_to_record:
            time.sleep(0.001)
        results.append(pool.submit(later))
        may_end.set()
        for result in results:
            result.result(PATIENCE)
    assert order == ["work", "recording", "later"]


def test_what_fails_lets_the_others_in() -> None:
    """An error inside is none of the next one's business."""
    capture = Capture()
    for turn in (capture.work, capture.recording):
        try:
            with turn():
                raise ValueError
        except ValueError:
            pass
    with capture.recording(), ThreadPoolExecutor(1):
        pass
    with capture.work(), capture.work():
        pass
