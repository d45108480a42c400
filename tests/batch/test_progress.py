"""What is said while a job runs."""

from rich.console import Console

from batch.progress import JobProgress
from tests.batch.conftest import said


def test_a_plain_line_from_time_to_time(console: Console) -> None:
    with JobProgress(console, images=100, done=10, seconds=0.0) as progress:
        progress.add(images=40, errors=2)
        assert progress.images_per_second > 0
    (line,) = said(console).splitlines()
    assert line.startswith("50 of 100 images, ")
    assert "2 errors, 0:00:0" in line


def test_silence_in_between(console: Console) -> None:
    with JobProgress(console, images=100, done=0) as progress:
        progress.add(images=40, errors=2)
    assert said(console) == ""


def test_before_the_first_image_nothing_is_foretold(console: Console) -> None:
    with JobProgress(console, images=100, done=10, seconds=0.0) as progress:
        progress.add(images=0, errors=0)
    assert "time left unknown" in said(console)
