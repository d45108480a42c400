"""Cutting images into requests, and reading them."""

import itertools
from pathlib import Path

import grpc
import pytest
from recognition_client.batches import BYTES_PER_REQUEST, Batch, batches, read_image
from recognition_client.errors import ImageRejected
from recognition_client.results import ImageError


def test_many_images_are_cut_by_number() -> None:
    """In order, the last batch taking the rest."""
    cut = list(batches([b"%d" % i for i in range(10)], images_per_request=4))
    assert [batch.images for batch in cut] == [[b"0", b"1", b"2", b"3"], [b"4", b"5", b"6", b"7"], [b"8", b"9"]]


def test_large_images_are_cut_by_bytes() -> None:
    """A batch stays below the limit; an image that is larger goes alone."""
    half, whole = bytes(BYTES_PER_REQUEST // 2), bytes(BYTES_PER_REQUEST + 1)
    cut = list(batches([half, half, half, whole, half]))
    assert [[len(image) for image in batch.images] for batch in cut] == [
        [len(half), len(half)],
        [len(half)],
        [len(whole)],
        [len(half)],
    ]


def test_no_images_make_no_batch() -> None:
    assert list(batches([])) == []


def test_bytes_and_paths_may_be_mixed(tmp_path: Path) -> None:
    """Files are read; bytes of any kind are taken."""
    file = tmp_path / "a.png"
    file.write_bytes(b"file")
    (batch,) = batches([b"bytes", file, str(file), bytearray(b"array"), memoryview(b"view")])
    assert batch.images == [b"bytes", b"file", b"file", b"array", b"view"]


def test_a_file_is_read_when_its_batch_is_due(tmp_path: Path) -> None:
    """A folder of any size passes through without being held."""
    late = tmp_path / "late.png"
    cut = batches([b"first", b"second", late], images_per_request=1)
    assert next(cut).images == [b"first"]
    late.write_bytes(b"late")
    assert [batch.images for batch in cut] == [[b"second"], [b"late"]]


def test_a_file_that_cannot_be_read_keeps_its_place(tmp_path: Path) -> None:
    """As an error between its neighbours, with the system's reason."""
    (batch,) = batches([b"a", tmp_path / "missing.png", tmp_path, b"b"])
    assert batch.images == [b"a", b"b"]
    missing, folder = (entry for entry in batch.entries if isinstance(entry, ImageError))
    assert str(missing) == "The file cannot be read: No such file or directory (FILE_UNREADABLE)"
    assert str(folder) == "The file cannot be read: Is a directory (FILE_UNREADABLE)"


def test_a_file_without_end_is_not_read_to_the_end(tmp_path: Path) -> None:
    """One byte more than may be sent is enough to refuse it."""
    endless = tmp_path / "huge.png"
    with endless.open("wb") as file:
        file.truncate(2**40)  # sparse: takes no room
    with pytest.raises(ImageRejected, match="larger than 63 MiB"):
        read_image(endless)
    (batch,) = batches([endless])
    assert [entry.reason for entry in batch.entries if isinstance(entry, ImageError)] == ["IMAGE_TOO_LARGE"]


def test_a_single_image_is_not_a_list_of_images() -> None:
    """Its bytes or letters would be taken for images."""
    for single in (b"bytes", "path.png"):
        with pytest.raises(TypeError, match="list"):
            next(batches(single))  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(TypeError, match="int"):
        next(batches([5]))  # type: ignore[list-item]  # the mistake under test


def test_a_request_has_room_for_one_image_at_least() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        next(batches([b"a"], images_per_request=0))


def test_halves_make_the_whole_in_order() -> None:
    """Nothing is lost however often a batch is cut."""
    error = ImageError(code=grpc.StatusCode.INVALID_ARGUMENT)
    kinds: list[bytes | ImageError] = [b"a", error]
    for entries in itertools.product(kinds, repeat=3):
        first, second = Batch(entries).halves()
        assert first.entries + second.entries == entries
        assert len(first.entries) < len(entries) > len(second.entries)
