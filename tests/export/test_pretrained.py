"""Weights from elsewhere as a model to import (export/pretrained.py)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

from export.errors import ImportInvalid, ImportMisused
from export.graph import to_bytes
from export.pretrained import read_pretrained
from export.source import Source
from export.verify import load_session, logits_of
from training.errors import TrainingError
from training.models import build


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As torchvision names the layers of a ResNet, for three labels."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(torchvision.models.resnet18(num_classes=3).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def labels(weights: Path) -> str:
    path = weights.with_name("labels.txt")
    path.write_text("cat\ndog\nbird\n")
    return str(path)


@pytest.fixture(scope="module")
def source(weights: Path, labels: str) -> Source:
    return read_pretrained(
        weights, architecture="resnet18", convention="torchvision", labels=labels, preprocessing=None
    )


def test_gives_what_torchvision_gives(source: Source, weights: Path) -> None:
    """The head is taken over too, and the input is that of the convention."""
    net = torchvision.models.resnet18(num_classes=3).eval()
    net.load_state_dict(load_file(weights))
    pixels = np.random.default_rng(0).integers(0, 256, size=(2, 224, 224, 3), dtype=np.uint8)
    mean, std = torch.tensor(source.spec.mean), torch.tensor(source.spec.std)
    with torch.inference_mode():
        expected = net(((torch.from_numpy(pixels) / 255 - mean) / std).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(source.reference(pixels), expected, rtol=0, atol=1e-4)
    graph = load_session(to_bytes(source.graph), source.outputs)
    np.testing.assert_allclose(logits_of(graph, pixels), expected, rtol=0, atol=1e-4)


def test_is_described(source: Source) -> None:
    """Labels, size and effort, for the manifest; the spec is ImageNet's."""
    assert (source.labels, source.family, source.spec.resize_to) == (("cat", "dog", "bird"), "resnet18", 256)
    assert source.parameters == 11_178_051
    assert source.macs > 1_800_000_000
    assert source.outputs.embedding_size == 512


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "resnet34"}, "does not fit resnet34"),
        ({"architecture": "resnet19"}, "no model named resnet19"),
        ({"convention": "caffe"}, "--convention caffe is not known"),
        ({"labels": "imagenet"}, "imagenet has 1000 labels and the model gives 3 numbers"),
    ],
)
def test_what_does_not_fit_is_said(weights: Path, labels: str, change: dict[str, str], message: str) -> None:
    """In one sentence."""
    wish = {"architecture": "resnet18", "convention": "torchvision", "labels": labels, **change}
    with pytest.raises((ImportInvalid, ImportMisused, TrainingError), match=message):
        read_pretrained(weights, preprocessing=None, **wish)


def test_a_size_that_no_convention_knows_is_asked_for(tmp_path: Path) -> None:
    """A small model of our own, by the names of its own layers; its head has codes, which nobody trained."""
    wish = small(tmp_path, "lenet5_1998", 1)
    with pytest.raises(ImportInvalid, match=r"lenet5_1998 takes 32 x 32 x 1, .*--preprocessing"):
        read_pretrained(**{**wish, "preprocessing": None})
    gives_what_torch_gives(wish)
    Path(wish["labels"]).write_text("a")
    with pytest.raises(ImportInvalid, match="has 1 labels and the model gives 5 numbers"):
        read_pretrained(**wish)


@pytest.mark.slow
def test_averages_for_a_head_are_taken_over_too(tmp_path: Path) -> None:
    """Network in network has no layer behind the embedding; its labels are counted where its body ends."""
    wish = small(tmp_path, "nin", 3)
    gives_what_torch_gives(wish)
    save_file({"nothing": torch.zeros(1)}, wish["path"])
    with pytest.raises(ImportInvalid, match=r"has no last layer \(.*\); a backbone alone has no answers"):
        read_pretrained(**wish)


def small(folder: Path, architecture: str, channels: int) -> dict[str, Any]:
    """Weights for five labels in a file of their own, and how to read them."""
    torch.manual_seed(0)
    path, labels, how = (folder / name for name in (f"{architecture}.safetensors", "labels.txt", "how.json"))
    save_file(build(architecture, {"classes": 5}).state_dict(), path)
    labels.write_text("\n".join("abcde"))
    how.write_text(json.dumps({"mean": [0.5] * channels, "std": [0.5] * channels}))
    return {
        "path": path,
        "architecture": architecture,
        "convention": "torchvision",
        "labels": str(labels),
        "preprocessing": str(how),
    }


def gives_what_torch_gives(wish: dict[str, Any]) -> None:
    model = build(wish["architecture"], {"classes": 5}).eval()
    model.load_state_dict(load_file(wish["path"]))
    source = read_pretrained(**wish)
    spec = source.spec
    shape = (2, spec.height, spec.width, spec.channels)
    pixels = np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8)
    with torch.inference_mode():
        expected = model((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5).numpy()
    served = logits_of(load_session(to_bytes(source.graph), source.outputs), pixels)
    np.testing.assert_allclose(served, expected, rtol=0, atol=1e-4)


def test_a_backbone_alone_is_refused(weights: Path, labels: str, tmp_path: Path) -> None:
    """It has no answers."""
    tensors = {name: tensor for name, tensor in load_file(weights).items() if not name.startswith("fc.")}
    path = tmp_path / "backbone.safetensors"
    save_file(tensors, path)
    with pytest.raises(ImportInvalid, match="no last linear layer"):
        read_pretrained(path, architecture="resnet18", convention="torchvision", labels=labels, preprocessing=None)
