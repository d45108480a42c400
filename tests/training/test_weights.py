"""Weights from elsewhere land in the layers they belong to, or are refused by name."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from training.checkpoint import Run
from training.errors import DataDamaged, DataMissing, RecipeInvalid
from training.models import build
from training.weights import for_grey, from_file, from_run, from_torchvision, load_backbone, our_name


def written(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


@pytest.mark.parametrize(
    ("name", "side"),
    [("resnet18", 64), ("densenet121", 64), ("inception_v3", 96)],
)
def test_torchvisions_backbones_give_torchvisions_features(name: str, side: int, tmp_path: Path) -> None:
    """The head is ours; with torchvision's put in, the logits are the same."""
    torch.manual_seed(0)
    settings = {"init_weights": False, "transform_input": False} if name == "inception_v3" else {}
    theirs = torchvision.models.get_model(name, weights=None, **settings).eval()
    ours = build(name, {"classes": 1000, "size": {"inception_v3": 299}.get(name, 224)}).eval()
    load_backbone(ours, from_file(written(tmp_path / "w.safetensors", theirs.state_dict()), name, "torchvision"))
    ours.classifier.load_state_dict((theirs.fc if hasattr(theirs, "fc") else theirs.classifier).state_dict())
    images = torch.randn(1, 3, max(side, 96), max(side, 96))
    with torch.no_grad():
        assert torch.allclose(ours(images), theirs(images), atol=1e-4)


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "vgg11_bn", "wide_resnet50_2", "densenet201"])
def test_every_layer_of_torchvisions_below_the_head_finds_its_place(name: str) -> None:
    """By name and shape, the hidden layers of large heads included; only the last layer is left out."""
    with torch.device("meta"):
        theirs, ours = torchvision.models.get_model(name, weights=None).state_dict(), build(name).state_dict()
    places = {place for key in theirs if (place := our_name(key, ours)) is not None}
    assert places == {key for key in ours if not key.startswith("classifier.")}
    assert all(
        ours[our_name(key, ours) or key].shape == value.shape for key, value in theirs.items() if our_name(key, ours)
    )


def test_one_channel_takes_the_sum_over_three(tmp_path: Path) -> None:
    """A grey picture gives what the same picture in three equal channels gives."""
    theirs = torchvision.models.resnet18(weights=None).eval()
    weights = for_grey(from_file(written(tmp_path / "w.safetensors", theirs.state_dict()), "resnet18", "torchvision"))
    assert (weights.preprocessing.pixel_format, len(weights.preprocessing.mean)) == ("gray8", 1)
    grey = build("resnet18", {**weights.arguments, "classes": 2}).eval()
    load_backbone(grey, weights)
    image = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.allclose(grey.conv1(image), theirs.conv1(image.expand(1, 3, 64, 64)), atol=1e-4)  # type: ignore[operator]  # a layer


def test_the_convention_decides_over_architecture_and_preprocessing(tmp_path: Path) -> None:
    """The stride of the first bottleneck, epsilon, mean and standard deviation."""
    path = written(tmp_path / "w.safetensors", {"x": torch.zeros(1)})
    caffe = from_file(path, "resnet50", "caffe-v1")
    with torch.device("meta"):
        blocks = [build("resnet50", a).get_submodule("layer2.0.conv1") for a in (caffe.arguments, {})]
    assert [block.stride for block in blocks] == [(2, 2), (1, 1)]
    assert caffe.preprocessing.mean[0] == pytest.approx(123.68 / 255)
    assert caffe.preprocessing.std == (1 / 255,) * 3
    assert from_file(path, "inception_v3", "half").preprocessing.height == 299


def test_a_file_saved_by_torch_is_read_without_running_it(tmp_path: Path) -> None:
    """And anything that is no weights is refused."""
    path = tmp_path / "w.pth"
    torch.save(build("resnet18").state_dict(), path)
    assert "conv1.weight" in from_file(path, "resnet18", "torchvision").tensors
    path.write_bytes(b"nothing")
    with pytest.raises(DataDamaged, match="holds no weights"):
        from_file(path, "resnet18", "torchvision")
    with pytest.raises(DataMissing, match="does not exist"):
        from_file(tmp_path / "nowhere.pth", "resnet18", "torchvision")


def test_weights_of_another_model_are_refused_by_layer(tmp_path: Path) -> None:
    """Too many, too few, another shape."""
    tensors = torchvision.models.resnet18(weights=None).state_dict()
    other = from_file(written(tmp_path / "a.safetensors", tensors), "resnet34", "torchvision")
    with pytest.raises(RecipeInvalid, match=r"it lacks layer1\.2.*; name their model"):
        load_backbone(build("resnet34"), other)
    with pytest.raises(RecipeInvalid, match=r"layer1\.0\.conv1\.weight has shape \(64, 64, 3, 3\), the model takes"):
        load_backbone(build("resnet50"), other)
    with pytest.raises(RecipeInvalid, match=r"conv1.weight has shape \(64, 3, 7, 7\)"):
        load_backbone(build("resnet18", {"size": 32}), other)


def test_a_run_lends_its_backbone_with_its_preprocessing(trained_run: Run) -> None:
    """With another number of classes, too."""
    weights = from_run(trained_run.directory)
    model = build(weights.model, {**weights.arguments, "classes": 3})
    load_backbone(model, weights)
    assert torch.equal(model.state_dict()["conv1.weight"], weights.tensors["conv1.weight"])
    assert weights.preprocessing == trained_run.record.preprocessing


def test_what_torchvision_cannot_give_is_said() -> None:
    """Its GoogLeNet is another network, and it has no LeNet."""
    with pytest.raises(RecipeInvalid, match="3 x 3 where the paper has 5 x 5"):
        from_torchvision("googlenet")
    with pytest.raises(RecipeInvalid, match="no weights for lenet5"):
        from_torchvision("lenet5")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (nn.Linear(1, 1), {}, r"more than named tensors \(torch\.nn\.modules\.linear\.Linear\) and is not loaded"),
        (nn.Linear(1, 1), {"pickle_protocol": 4}, "holds no weights|more than named tensors"),
        ({"epoch": 3, "model": {}}, {}, r"more than named tensors \(epoch: int\)"),
        ([torch.zeros(1)], {}, r"more than named tensors \(list\)"),
    ],
)
def test_more_than_tensors_is_refused_in_one_line(
    tmp_path: Path, content: object, options: dict[str, Any], message: str
) -> None:
    """Without a warning, and without torch's advice to load it all the same."""
    path = tmp_path / "w.pth"
    torch.save(content, path, **options)
    with pytest.raises(DataDamaged, match=message) as refusal:
        from_file(path, "resnet18", "torchvision")
    assert "\n" not in str(refusal.value)
    assert "weights_only" not in str(refusal.value)
