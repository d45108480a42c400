"""Multipart forms, fed in pieces of any size."""

import pytest

from service.api.rest.form import Form, Upload
from service.errors import ArgumentInvalid, BatchTooLarge, ImageTooLarge

BOUNDARY = b"frontier"


def part(content: bytes, disposition: str = 'form-data; name="images"; filename="a.png"') -> bytes:
    head = f"Content-Disposition: {disposition}\r\nContent-Type: image/png\r\n\r\n".encode()
    return b"--" + BOUNDARY + b"\r\n" + head + content + b"\r\n"


def parsed(body: bytes, *, size: int = 2**16, max_image_bytes: int = 100, max_images: int = 3) -> list[Upload]:
    form = Form(BOUNDARY, max_image_bytes=max_image_bytes, max_images=max_images)
    for at in range(0, len(body), size):
        form.feed(body[at : at + size])
    return form.finish()


END = b"--" + BOUNDARY + b"--\r\n"


@pytest.mark.parametrize("size", [1, 2, 7, 2**16])
def test_files_come_out_whole_however_they_were_cut(size: int) -> None:
    """Contents that look like the boundary included."""
    tricky = b"\r\n--fron\r\n--\x00\xff"
    uploads = parsed(part(b"one") + part(tricky) + part(b"") + END, size=size)
    assert [upload.content for upload in uploads] == [b"one", tricky, b""]


def test_names_are_those_of_the_files() -> None:
    """UTF-8 as browsers send it; a file without a name has that of its field."""
    named = part(b"1", 'form-data; name="images"; filename="Schuh grün.png"')
    nameless = part(b"2", 'form-data; name="images"; filename=""')
    assert [upload.name for upload in parsed(named + nameless + END)] == ["Schuh grün.png", "images"]


def test_a_file_that_is_too_large_is_dropped_and_the_next_one_kept() -> None:
    """Its error stands in its place."""
    uploads = parsed(part(bytes(101)) + part(bytes(100)) + END, size=10)
    assert isinstance(uploads[0].content, ImageTooLarge)
    assert uploads[1].content == bytes(100)


def test_nothing_of_a_file_that_is_too_large_is_held() -> None:
    """The buffer is empty from the moment that the limit is passed."""
    form = Form(BOUNDARY, max_image_bytes=100, max_images=3)
    form.feed(part(bytes(90))[:-2])
    form.feed(bytes(20))
    for _ in range(100):
        form.feed(bytes(1000))
        assert len(form._part.content) == 0


def test_too_many_files_end_the_call() -> None:
    """As soon as the first one too many begins."""
    with pytest.raises(BatchTooLarge):
        parsed(part(b"x") * 4)


def test_a_field_that_is_no_file_is_refused_by_its_name() -> None:
    """Options belong into the query."""
    with pytest.raises(ArgumentInvalid, match="top_k"):
        parsed(part(b"3", 'form-data; name="top_k"') + END)


@pytest.mark.parametrize("body", [b"", b"no form", part(b"cut"), part(b"cut")[:40], END])
def test_what_is_no_whole_form_is_refused(body: bytes) -> None:
    """Nothing, something else, a form without its end, and one without a file."""
    with pytest.raises(ArgumentInvalid):
        parsed(body)


def test_an_endless_boundary_is_refused() -> None:
    """Before anything is read."""
    with pytest.raises(ArgumentInvalid):
        Form(bytes(1000), max_image_bytes=1, max_images=1)
