"""Why an image has no answer, as its row will say: a reason for programs and a sentence for people."""

from typing import NamedTuple

FILE_UNREADABLE = "FILE_UNREADABLE"
IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"


class Fault(NamedTuple):
    """Part of a row, and no exception: a bad image never stops a job."""

    reason: str
    sentence: str


def too_large(size: int, limit: int) -> Fault:
    return Fault(IMAGE_TOO_LARGE, f"The image has {size:,} bytes; at most {limit:,} are accepted.")
