"""Which version a request means."""

import pytest

from service.api.calls import Call, current_call
from service.api.oip.models import Models, number_of
from service.errors import ArgumentInvalid, ModelNotFound, VersionNotFound
from service.models.packaged_tensors import PackagedTensors
from service.models.plain_loader import LivePlainModel
from tests.service.in_process import InProcess


async def test_packages_and_plain_models_are_found_alike(service: InProcess) -> None:
    """And noted for the metrics."""
    current_call.set(Call())
    models = Models(service.server._registry, max_batch_size=8, max_images=256)
    assert isinstance(models.find("thirds"), PackagedTensors)
    assert isinstance(models.find("pair", "1"), LivePlainModel)
    assert (current_call.get().model, current_call.get().version) == ("pair", "1")
    assert models.versions("pair") == ["1"]
    assert models.live("", "") == [("half", 1), ("pair", 1), ("thirds", 1)]
    assert models.live("pair", "") == [("pair", 1)]


async def test_what_is_unknown_is_not_ready(service: InProcess) -> None:
    """To be asked for it is an error all the same."""
    current_call.set(Call())
    models = Models(service.server._registry, max_batch_size=8, max_images=256)
    assert models.is_ready("pair", "")
    for name, version in (("pair", "2"), ("nobody", ""), ("", "")):
        assert not models.is_ready(name, version)
        with pytest.raises((ModelNotFound, VersionNotFound), match="Request for unknown model"):
            models.find(name, version)


@pytest.mark.parametrize(("text", "number"), [("", None), ("1", 1), ("007", 7)])
def test_versions_are_numbers_as_text(text: str, number: int | None) -> None:
    """Empty is the one that answers by default."""
    assert number_of(text) == number


@pytest.mark.parametrize("text", ["-1", "0", "1.0", "stable", " 1", "٣", "1" * 40])
def test_other_versions_are_refused(text: str) -> None:
    """In the protocol's words."""
    with pytest.raises(ArgumentInvalid, match="version should be an integral value > 0"):
        number_of(text)
