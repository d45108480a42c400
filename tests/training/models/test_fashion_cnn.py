"""The course's CNN, with the sizes and counts that the course works out."""

import pytest
import torch
from torch import nn

from training.models.fashion_cnn import FashionCNN


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("conv1", (16, 28, 28)),
        ("pool1", (16, 14, 14)),
        ("conv2", (32, 14, 14)),
        ("pool2", (32, 7, 7)),
        ("flatten", (1568,)),
        ("classifier", (10,)),
    ],
)
def test_the_sizes_on_the_way_are_those_of_the_course(layer: str, shape: tuple[int, ...]) -> None:
    """28 x 28 x 16, 14 x 14 x 16, 14 x 14 x 32, 7 x 7 x 32, then ten logits."""
    model = FashionCNN()
    shapes: list[tuple[int, ...]] = []
    model.get_submodule(layer).register_forward_hook(lambda _module, _input, output: shapes.append(tuple(output.shape)))
    model(torch.zeros(2, 1, 28, 28))
    assert shapes == [(2, *shape)]


def test_it_has_29034_parameters() -> None:
    """416 + 32 + 12,832 + 64 + 15,690"""
    layers = (module for module in FashionCNN().modules() if not list(module.children()))
    counts = [sum(parameter.numel() for parameter in layer.parameters()) for layer in layers]
    assert [count for count in counts if count] == [416, 32, 12_832, 64, 15_690]
    assert sum(counts) == 29_034


def test_convolution_is_followed_by_normalisation_then_relu_then_pooling() -> None:
    """The order of the course's design."""
    kinds = [type(module) for module in FashionCNN().children()]
    block = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d]
    assert kinds == [*block, *block, nn.Flatten, nn.Linear]


def test_other_channels_and_classes() -> None:
    """Colour pictures and other labels change only the ends."""
    model = FashionCNN(channels=3, classes=7)
    assert model.input_shape == (3, 28, 28)
    assert model(torch.zeros(1, 3, 28, 28)).shape == (1, 7)
