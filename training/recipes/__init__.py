"""Every recipe by name: a function that returns a whole configuration. `_quick` is for CPUs, `_full` for a GPU."""

from collections.abc import Callable

from training.config import Recipe
from training.errors import RecipeInvalid
from training.recipes import full, quick
from training.recipes.inputs import FASHION_MNIST_INPUT
from training.recipes.quick import fashion_cnn

RECIPES: dict[str, Callable[[], Recipe]] = {
    "fashion_cnn": fashion_cnn,
    "lenet5_1998_quick": quick.lenet5_1998_quick,
    "lenet5_quick": quick.lenet5_quick,
    "alexnet_2012_quick": quick.alexnet_2012_quick,
    "nin_quick": quick.nin_quick,
    "vgg11_bn_quick": quick.vgg11_bn_quick,
    "googlenet_quick": quick.googlenet_quick,
    "inception_v3_quick": quick.inception_v3_quick,
    "resnet20_quick": quick.resnet20_quick,
    "wrn_16_8_quick": quick.wrn_16_8_quick,
    "densenet_bc_40_12_quick": quick.densenet_bc_40_12_quick,
    "fashion_cnn_full": full.fashion_cnn_full,
    "lenet5_1998_full": full.lenet5_1998_full,
    "lenet5_full": full.lenet5_full,
    "alexnet_2012_full": full.alexnet_2012_full,
    "alexnet_full": full.alexnet_full,
    "nin_full": full.nin_full,
    "vgg16_bn_full": full.vgg16_bn_full,
    "googlenet_full": full.googlenet_full,
    "inception_v3_full": full.inception_v3_full,
    "resnet20_full": full.resnet20_full,
    "resnet18_full": full.resnet18_full,
    "resnet50_full": full.resnet50_full,
    "wrn_16_8_full": full.wrn_16_8_full,
    "wrn_28_10_full": full.wrn_28_10_full,
    "densenet_bc_100_12_full": full.densenet_bc_100_12_full,
}


def find_recipe(name: str) -> Recipe:
    """Raises RecipeInvalid, with the names that there are, for any other."""
    if name not in RECIPES:
        raise RecipeInvalid(f"there is no recipe named {name}; the recipes are: {', '.join(sorted(RECIPES))}")
    return RECIPES[name]()


__all__ = ["FASHION_MNIST_INPUT", "RECIPES", "fashion_cnn", "find_recipe"]
