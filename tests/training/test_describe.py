"""The layer table agrees with the course's formula and with a count by hand."""

import torch
from torch import Tensor, nn

from training.describe import describe
from training.models import Classifier, build


class Odd(Classifier):
    """AlexNet's first layer on 224 pixels, where the formula gives no whole number, and a kernel that is not square."""

    def __init__(self) -> None:
        super().__init__()
        self.input_shape = (3, 224, 224)
        self.conv = nn.Conv2d(3, 8, kernel_size=11, stride=4, groups=1)
        self.flat = nn.AvgPool2d(kernel_size=(2, 3), stride=2)
        self.relu = nn.ReLU()
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(8, 2)

    def features(self, images: Tensor) -> Tensor:
        x = self.relu(self.flat(self.relu(self.conv(images))))
        embedding: Tensor = self.flatten(self.mean(x))
        return embedding


def test_the_totals_of_the_courses_cnn() -> None:
    """29,034 parameters and 2.84 million multiply-accumulates."""
    description = describe("fashion_cnn", build("fashion_cnn"))
    assert description.input == (1, 28, 28)
    assert description.parameters == sum(layer.parameters for layer in description.layers) == 29_034
    assert description.macs == 28 * 28 * 16 * 25 + 14 * 14 * 32 * 16 * 25 + 1568 * 10 == 2_838_080


def test_each_size_comes_with_the_formula_that_gives_it() -> None:
    """W_out = (W - F + 2P)/S + 1 with its numbers."""
    formulas = {layer.name: layer.formula for layer in describe("fashion_cnn", build("fashion_cnn")).layers}
    assert formulas["conv1"] == "(28 - 5 + 2*2)/1 + 1 = 28"
    assert formulas["pool1"] == "(28 - 2 + 2*0)/2 + 1 = 14"
    assert formulas["flatten"] == "32 * 7 * 7 = 1568"
    assert formulas["classifier"] == "1568 -> 10"
    assert formulas["norm1"] == ""


def test_a_size_that_is_not_whole_is_shown_with_what_it_is_rounded_to() -> None:
    """(224 - 11)/4 + 1 = 54.25; and the axes apart where they differ."""
    formulas = {layer.name: layer.formula for layer in describe("odd", Odd()).layers}
    assert formulas["conv"] == "(224 - 11 + 2*0)/4 + 1 = 54.25 -> 54"
    assert formulas["flat"].startswith("height (54 - 2 + 2*0)/2 + 1 = 27; width (54 - 3 + 2*0)/2 + 1 = 26.5 -> 26")


def test_a_layer_that_runs_twice_is_listed_twice() -> None:
    """In the order of execution."""
    names = [layer.name for layer in describe("odd", Odd()).layers]
    assert names == ["conv", "relu", "flat", "relu", "mean", "flatten", "classifier"]


def test_the_model_is_left_as_it_was() -> None:
    """Mode, batch statistics and hooks."""
    model = build("fashion_cnn").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    describe("fashion_cnn", model)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
