"""Where the time of a request's images goes."""

from dataclasses import astuple, replace

import numpy as np

from service.engine.time_columns import Column, TimeColumns
from service.engine.times import Times, Work, each_of, work_of, work_of_columns

COMPUTED = Times(decode=1.0, preprocess=0.5, queue=2.0, inference=3.0, postprocess=0.25, batch_size=4)
MISSED = Times(decode=1.0, queue=1.0, inference=5.0, batch_size=4, lookup=0.125)
KNOWN = Times(lookup=0.5)


def test_a_request_takes_as_long_as_its_slowest_image() -> None:
    """In the queue and in the session; what is done image by image adds up."""
    work = work_of([COMPUTED, MISSED], output_seconds=0.75)
    assert (work.items, work.queue_seconds, work.inference_seconds) == (2, 2.0, 5.0)
    assert (work.input_seconds, work.output_seconds) == (2.5, 1.0)


def test_what_was_known_was_not_computed() -> None:
    """Each image is looked for once, where there is a cache."""
    work = work_of([COMPUTED, MISSED, KNOWN, KNOWN])
    assert (work.items, work.hits, work.hit_seconds, work.misses, work.miss_seconds) == (2, 2, 1.0, 1, 0.125)


def test_no_images_are_no_work() -> None:
    """As where none of them could be read."""
    assert work_of([]) == Work(items=0)


def columns(*images: Times) -> TimeColumns:
    rows = [astuple(replace(times, lookup=times.lookup or np.nan)) for times in images]
    return np.array(rows, dtype=np.float64).reshape(-1, len(Column)).T


def test_columns_say_what_objects_say() -> None:
    """One by one, and as the work of a request."""
    images = [COMPUTED, MISSED, KNOWN, KNOWN]
    assert list(each_of(columns(*images))) == images
    assert work_of_columns(columns(*images)) == work_of(images)
    assert work_of_columns(columns()) == Work(items=0)
