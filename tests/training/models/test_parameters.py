"""Parameter counts of every variant, by the papers, and a training step of every variant."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.training.models.forms import SMALL_FORMS
from training.models import MODELS, build

IMAGENET = {
    "alexnet_2012": 60_965_224,
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
    "nin": 7_595_176,
    "googlenet": 13_385_816,
    "inception_v3": 27_161_264,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
}
SMALL_BY_DEFAULT = {
    "fashion_cnn": 29_034,
    "lenet5_1998": 60_000,
    "lenet5": 61_706,
    "resnet20": 269_434,
    "wrn_16_8": 10_961_082,
    "wrn_28_10": 36_478_906,
    "densenet_bc_40_12": 175_690,
    "densenet_bc_100_12": 768_730,
}
SMALL = {
    ("nin", 28): 957_386,
    ("vgg11_bn", 32): 9_227_210,
    ("vgg16_bn", 32): 14_722_890,
    ("resnet18", 28): 11_172_810,
    ("resnet34", 28): 21_280_970,
    ("resnet50", 28): 23_519_690,
    ("densenet121", 28): 6_955_274,
    ("densenet161", 28): 26_480_842,
}


def parameters(name: str, **arguments: int) -> int:
    """Counted without memory for the weights."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(name, arguments).parameters() if parameter.requires_grad)


def test_every_model_has_its_count_written_down() -> None:
    """A new variant needs a row here."""
    assert set(MODELS) == set(IMAGENET) | set(SMALL_BY_DEFAULT)


@pytest.mark.parametrize(("name", "count"), [*IMAGENET.items(), *SMALL_BY_DEFAULT.items()])
def test_the_parameters_are_those_of_the_paper(name: str, count: int) -> None:
    """In the form that is built without arguments."""
    if name == "lenet5_1998":  # its codes are drawn by a generator, which the meta device does not have
        assert sum(parameter.numel() for parameter in build(name).parameters()) == count
    else:
        assert parameters(name) == count


@pytest.mark.parametrize(("form", "count"), SMALL.items())
def test_the_small_forms_have_their_parameters(form: tuple[str, int], count: int) -> None:
    """One channel, ten classes, a stem that keeps the size."""
    name, size = form
    assert parameters(name, channels=1, classes=10, size=size) == count


def test_auxiliary_heads_can_be_left_out() -> None:
    """GoogLeNet and Inception-v3 without them, and GoogLeNet's small form."""
    assert parameters("googlenet", auxiliary=0) == 7_005_832
    assert parameters("inception_v3", auxiliary=0) == 23_834_568
    assert parameters("googlenet", channels=1, classes=10, size=32, auxiliary=0) == 5_982_250
    assert parameters("nin", channels=3, classes=10, size=32) == 966_986


def test_googlenet_has_real_five_by_five_branches() -> None:
    """Each of the nine cells convolves 5 × 5 in its third branch."""
    with torch.device("meta"):
        kernels = [m.kernel_size for m in build("googlenet").modules() if isinstance(m, nn.Conv2d)]
    assert kernels.count((5, 5)) == 9


@pytest.mark.parametrize(("name", "arguments"), SMALL_FORMS)
def test_a_training_step_moves_every_weight(name: str, arguments: dict[str, int]) -> None:
    """Gradients reach every parameter, through the auxiliary heads too."""
    training_step(name, arguments, batch_size=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_training_step_of_the_published_size(name: str) -> None:
    """As without arguments: 224 pixels or more and 1,000 classes, where the paper has them."""
    training_step(name, {}, batch_size=2)


def training_step(name: str, arguments: dict[str, int], *, batch_size: int) -> None:
    torch.manual_seed(0)
    model = build(name, arguments).train()
    images = torch.randn(batch_size, *model.input_shape)
    labels = torch.arange(batch_size)
    logits, *auxiliaries = model.with_auxiliaries(images)
    loss = functional.cross_entropy(logits, labels)
    for auxiliary in auxiliaries:
        loss = loss + model.auxiliary_weight * functional.cross_entropy(auxiliary, labels)
    torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert len(auxiliaries) == {"googlenet": 2, "inception_v3": 1}.get(name, 0)
