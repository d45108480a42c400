"""Turns of commands that change one object (export/object_lock.py)."""

import threading
import time

import fsspec
import pytest

from export.object_lock import alone

PATH = "/turns/.lock"


def test_the_second_waits_for_the_first() -> None:
    """And the object is gone when both are done."""
    files = fsspec.filesystem("memory")
    order: list[str] = []

    def second() -> None:
        with alone(files, PATH):
            order.append("second")

    with alone(files, PATH):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.05)
        order.append("first")
    waiting.join(60)
    assert order == ["first", "second"]
    assert not files.exists(PATH)


def test_the_turn_of_a_command_that_was_killed_ends() -> None:
    """After a time in which nothing changed."""
    files = fsspec.filesystem("memory")
    files.pipe_file(PATH, b"somebody")
    with alone(files, PATH, longest_seconds=0.1):
        assert files.cat_file(PATH) != b"somebody"
    assert not files.exists(PATH)


def test_an_error_ends_the_turn() -> None:
    """As it is."""
    files = fsspec.filesystem("memory")
    with pytest.raises(ValueError, match="mine"), alone(files, PATH):
        raise ValueError("mine")
    assert not files.exists(PATH)
