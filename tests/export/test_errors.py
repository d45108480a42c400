"""The errors of an export (export/errors.py)."""

import pytest

from export import errors
from export.errors import CommandUnknown, DestinationUnknown, ExportError, ImportMisused, NameInvalid

WRONG_USE = {CommandUnknown, DestinationUnknown, ImportMisused, NameInvalid}


@pytest.mark.parametrize("error", ExportError.__subclasses__())
def test_only_wrong_use_ends_with_two(error: type[ExportError]) -> None:
    """Everything else that is expected ends with 1."""
    assert error.exit_code == (2 if error in WRONG_USE else 1)


@pytest.mark.parametrize("error", ExportError.__subclasses__())
def test_the_picture_names_every_error(error: type[ExportError]) -> None:
    """The docstring draws the way and where each may happen."""
    assert error.__name__ in str(errors.__doc__)
