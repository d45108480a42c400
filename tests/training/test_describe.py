"""The layer table agrees with the course's formula and with a count by hand."""

import pytest
import torch
from torch import Tensor, nn

from training.describe import build_for, describe, parse_shape
from training.errors import RecipeInvalid
from training.models import MODELS, Classifier, build
from training.tables import layers_table


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


def test_what_is_lost_to_rounding_is_said_with_the_sizes_that_fit() -> None:
    """AlexNet's 224 against 227; nothing is said where the size is whole."""
    notes = {layer.name: layer.note for layer in describe("odd", Odd()).layers}
    assert notes["conv"] == "not whole, rounded down: the last 1 of 224 are not seen; 223 or 227 would fit"
    assert notes["flat"].startswith("width not whole, rounded down: the last 1 of 54")
    assert not any(layer.note for layer in describe("alexnet_2012", build_for("alexnet_2012", (3, 227, 227))).layers)


def test_a_size_that_is_rounded_up_is_explained_too() -> None:
    """GoogLeNet's poolings hang over the edge."""
    notes = {layer.kind: layer.note for layer in describe("googlenet", build_for("googlenet", None)).layers}
    assert notes["MaxPool2d"] == ""
    stem = next(
        layer for layer in describe("googlenet", build_for("googlenet", None)).layers if layer.kind == "MaxPool2d"
    )
    assert stem.note == "not whole, rounded up: the last window hangs over by 1; 111 or 113 would fit"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_is_described_whole(name: str) -> None:
    """The layers account for every parameter that inference uses, and the last one sees the whole picture."""
    model = build_for(name, None)
    description = describe(name, model)
    auxiliary = sum(
        p.numel() for path, p in model.named_parameters() if path.startswith(("auxiliary.", "auxiliaries."))
    )
    assert sum(layer.parameters for layer in description.layers) == description.parameters - auxiliary
    assert description.macs > 0
    assert min(description.layers[-1].receptive_field) >= model.input_shape[1]


@pytest.mark.parametrize(
    ("name", "layer", "sees"),
    [("vgg16", "body.30", 212), ("alexnet_2012", "pool", 195), ("resnet50", "layer4.2.conv3", 427)],
)
def test_receptive_fields_are_the_published_ones(name: str, layer: str, sees: int) -> None:
    """Of the last pooling of VGG-16 and AlexNet, and of ResNet-50's last stage."""
    last = [row for row in describe(name, build_for(name, None)).layers if row.name == layer][-1]
    assert last.receptive_field == (sees, sees)


def test_operations_between_layers_have_rows_of_their_own() -> None:
    """Sums of residual blocks, concatenations with their depths, poolings that are called as functions."""
    kinds = {layer.kind for layer in describe("inception_v3", build_for("inception_v3", None)).layers}
    assert {"concatenate", "AvgPool2d", "MaxPool2d"} <= kinds
    depths = [layer.formula for layer in describe("googlenet", build_for("googlenet", None)).layers]
    assert "64 + 128 + 32 + 32 = 256" in depths
    assert any(layer.name == "(add)" for layer in describe("resnet20", build("resnet20")).layers)


def test_the_input_changes_the_model() -> None:
    """Channels and size reach it; a shape that it cannot take is refused in words."""
    assert parse_shape(None) is None
    description = describe("resnet18", build_for("resnet18", parse_shape("1x28x28")))
    assert (description.input, description.layers[0].output) == ((1, 28, 28), (64, 28, 28))
    for text in ("3x224", "axbxc", "3x0x5"):
        with pytest.raises(RecipeInvalid, match="such as 3x224x224"):
            parse_shape(text)
    with pytest.raises(RecipeInvalid, match="square"):
        build_for("resnet18", (3, 200, 100))
    with pytest.raises(RecipeInvalid, match="3x224x224: lenet5 takes 28 x 28 pixels only"):
        build_for("lenet5", (3, 224, 224))
    three = describe("resnet20", build_for("resnet20", (1, 32, 32), classes=3))
    assert three.layers[-1].output == (3,)


def test_pictures_that_are_too_small_are_refused_by_layer() -> None:
    """Of 8 pixels nothing is left for AlexNet's last pooling."""
    with pytest.raises(
        RecipeInvalid, match=r"alexnet takes no pictures of 1x8x8: 256x1x1 .* \(MaxPool2d\); give larger"
    ):
        describe("alexnet", build_for("alexnet", (1, 8, 8)))


def test_the_parameters_of_auxiliary_heads_are_told_apart() -> None:
    """They are in the total of GoogLeNet, and in no row."""
    assert describe("fashion_cnn", build("fashion_cnn")).auxiliary == 0
    description = describe("googlenet", build_for("googlenet", None))
    assert description.auxiliary == description.parameters - sum(layer.parameters for layer in description.layers) > 0
    caption = layers_table(description).caption
    assert f"{description.auxiliary:,} are in auxiliary heads" in str(caption)


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


MACS = {
    "lenet5": 416_520,
    "alexnet_2012": 724_406_816,
    "alexnet": 714_188_480,
    "vgg11": 7_609_090_048,
    "vgg13": 11_308_466_176,
    "vgg16": 15_470_264_320,
    "vgg19": 19_632_062_464,
    "nin": 969_460_864,
    "googlenet": 1_582_671_872,
    "inception_v3": 5_713_216_096,
    "resnet18": 1_814_073_344,
    "resnet34": 3_663_761_408,
    "resnet50": 4_089_184_256,
    "resnet101": 7_801_405_440,
    "resnet152": 11_513_626_624,
    "wide_resnet50_2": 11_398_021_120,
    "wide_resnet101_2": 22_753_050_624,
    "densenet121": 2_834_161_664,
    "densenet161": 7_727_907_072,
    "densenet169": 3_359_843_328,
    "densenet201": 4_291_365_888,
}
SLOW = ("resnet101", "resnet152", "densenet169", "densenet201")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in MACS])
def test_the_multiply_accumulates_are_those_that_are_published(name: str) -> None:
    """For one picture of the size that the model was drawn for."""
    assert describe(name, build_for(name, None)).macs == MACS[name]
