"""The binary version of the CIFAR sets is read record by record, and a file that is cut off is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.data import torchvision_sets
from training.data.cifar_binary import LAYOUTS, PIXELS, holds_files, read
from training.errors import DataDamaged

SMALL = {name: replace(layout, records=4) for name, layout in LAYOUTS.items()}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four records in each file instead of thousands."""
    monkeypatch.setattr("training.data.cifar_binary.TEST_RECORDS", 4)
    monkeypatch.setattr("training.data.torchvision_sets.LAYOUTS", SMALL)


def write(directory: Path, name: str) -> None:
    layout = SMALL[name]
    (directory / layout.folder).mkdir()
    (directory / layout.folder / layout.names).write_text("cat\ndog\n\n")
    for number, file in enumerate((*layout.train, layout.test)):
        rows = np.zeros((4, layout.label_bytes + PIXELS), dtype=np.uint8)
        rows[:, layout.label_bytes - 1] = [0, 1, 1, 0]
        rows[:, layout.label_bytes] = number  # red, top left
        rows[:, layout.label_bytes + 1024 + 33] = 99  # green, second row, second column
        (directory / layout.folder / file).write_bytes(rows.tobytes())


@pytest.mark.parametrize("name", list(SMALL))
def test_planes_become_channels_and_the_fine_label_counts(name: str, tmp_path: Path) -> None:
    """(N, 32, 32, 3), files in their order."""
    write(tmp_path, name)
    train, test, labels = read(SMALL[name], tmp_path)
    files = len(SMALL[name].train)
    assert labels == ("cat", "dog")
    assert train.pixels.shape == (4 * files, 32, 32, 3)
    assert train.labels.tolist() == [0, 1, 1, 0] * files
    assert train.pixels[-1, 0, 0].tolist() == [files - 1, 0, 0]
    assert test.pixels[0, 1, 1].tolist() == [0, 99, 0]


def test_the_data_set_is_found_in_this_form(tmp_path: Path) -> None:
    """Without torchvision, which would look for another form of it."""
    write(tmp_path, "cifar-10")
    dataset = torchvision_sets.load("cifar-10", tmp_path)
    assert (dataset.labels, len(dataset.train), len(dataset.test)) == (("cat", "dog"), 20, 4)
    assert not holds_files(SMALL["cifar-100"], tmp_path)


def test_a_file_that_is_cut_off_or_has_foreign_labels_is_named(tmp_path: Path) -> None:
    """And what to do."""
    write(tmp_path, "cifar-10")
    file = tmp_path / "cifar-10-batches-bin" / "data_batch_2.bin"
    content = bytearray(file.read_bytes())
    content[0] = 7
    file.write_bytes(content)
    with pytest.raises(DataDamaged, match=r"data_batch_2\.bin has a label 7, and there are 2"):
        read(SMALL["cifar-10"], tmp_path)
    file.write_bytes(content[:-1])
    with pytest.raises(DataDamaged, match=r"data_batch_2\.bin has 12,291 bytes, not 12,292"):
        read(SMALL["cifar-10"], tmp_path)
