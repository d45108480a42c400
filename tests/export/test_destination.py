"""What `--to` names (export/destination.py); object storage has tests of its own."""

from pathlib import Path

import pytest

from export.destination import DirectoryDestination, destination
from export.errors import DestinationUnknown


def test_a_directory_may_be_a_path_or_a_url(tmp_path: Path) -> None:
    """Either is the same repository."""
    for to in (str(tmp_path), tmp_path.as_uri()):
        with destination(to) as found:
            assert isinstance(found, DirectoryDestination)
            assert found.place("shoes", 3) == str(tmp_path / "shoes" / "3")


@pytest.mark.parametrize("to", ["", "  "])
def test_an_empty_name_is_not_the_current_directory(to: str) -> None:
    """As it comes from a variable that is not set."""
    with pytest.raises(DestinationUnknown, match="--to is empty"), destination(to):
        pass
