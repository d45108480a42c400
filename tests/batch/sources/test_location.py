"""Places here and in object storage."""

from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError

from batch.errors import SourceInvalid
from batch.sources.location import Location, item_of, storage_error


def test_a_local_place(tmp_path: Path) -> None:
    (tmp_path / "a.TAR").write_bytes(b"1")
    place = Location.of(str(tmp_path / "a.TAR"))
    assert (place.url, place.name, place.suffix) == (str(tmp_path / "a.TAR"), "a.TAR", ".tar")
    assert place.is_local
    assert place.exists()
    assert not place.is_folder()
    assert place.beside("b/c.png") == str(tmp_path / "b" / "c.png")
    assert place.as_named().item.size == 1


def test_a_place_in_storage() -> None:
    """The store in memory that fsspec has stands for all that are no folder of this machine."""
    place = Location.of("memory://bucket/a.csv")
    assert not place.is_local
    assert place.url == "memory:///bucket/a.csv"
    assert place.beside("b.png") == "memory:///bucket/b.png"
    assert place.beside("/abs/b.png") == "memory:///abs/b.png"
    assert not place.exists()


def test_storage_that_is_not_installed() -> None:
    with pytest.raises(SourceInvalid, match="recognition"):
        Location.of("nowhere://bucket/a.csv")


def test_the_tag_of_an_object_is_its_version() -> None:
    place = Location.of("memory://bucket/a.png")
    assert item_of(place, {"size": 3, "ETag": '"abc"', "LastModified": "today"}).version == '"abc"'
    assert item_of(place, {"size": 3}).version is None


def test_what_a_storage_library_raises_is_an_error_of_the_system() -> None:
    """In one line with what to do; a mistake of our own stays what it is."""
    known = storage_error(NoCredentialsError())
    assert known is not None
    assert str(known.strerror).startswith("Unable to locate credentials. Look after credentials")
    assert storage_error(OSError(5, "as it is")) is None
    assert storage_error(ValueError("ours")) is None
