"""Two versions side by side (export/difference.py)."""

from dataclasses import replace
from pathlib import Path

import pytest

from export.destination import DirectoryDestination
from export.difference import difference
from export.draft import Draft
from export.errors import DataUnusable
from service.models.repository import Package
from training.errors import DataMissing


def accept(_package: Package) -> None:
    """For tests that are not about the proof."""


@pytest.fixture
def destination(tmp_path: Path) -> DirectoryDestination:
    return DirectoryDestination(tmp_path)


def test_two_versions_are_compared(destination: DirectoryDestination, draft: Draft) -> None:
    """By their figures, by their answers to the golden samples, and by what the manifests say."""
    first = destination.publish(draft, prove=accept)
    other = destination.publish(
        replace(draft, manifest=draft.manifest.model_copy(update={"licence": "MIT"})), prove=accept
    )
    found = difference(first, other)
    assert (found.agreement, found.changed, found.versions) == (1.0, ("licence",), (1, 2))
    assert found.accuracies[0] == found.accuracies[1]
    assert (found.compared_images >= 16, found.compared_on) == (True, "the golden samples of both")


def test_answers_are_compared_on_the_validation_split(
    destination: DirectoryDestination, draft: Draft, sample_directory: Path
) -> None:
    """With the data at hand, on every image that was kept for choices."""
    first, second = (destination.publish(draft, prove=accept) for _ in range(2))
    found = difference(first, second, data_directory=sample_directory)
    assert (found.agreement, found.compared_images, found.compared_on) == (1.0, 50, "the validation split")
    assert found.changed == ()


def test_other_data_are_refused(
    destination: DirectoryDestination, draft: Draft, sample_directory: Path, tmp_path: Path
) -> None:
    """A directory without them, data with another digest, versions of different data."""
    first = destination.publish(draft, prove=accept)
    with pytest.raises(DataMissing):
        difference(first, first, data_directory=tmp_path)
    data = draft.manifest.data.model_copy(update={"sha256": "0" * 64})
    other = destination.publish(replace(draft, manifest=draft.manifest.model_copy(update={"data": data})), prove=accept)
    with pytest.raises(DataUnusable, match="has digest"):
        difference(other, other, data_directory=sample_directory)
    with pytest.raises(DataUnusable, match="not trained on the same split"):
        difference(first, other, data_directory=sample_directory)
