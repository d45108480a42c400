"""Every recipe is whole, and found by its own name."""

import pytest
import torch

from training.data import DATASETS
from training.errors import RecipeInvalid
from training.models import MODELS, build
from training.recipes import RECIPES, find_recipe


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_names_things_that_exist_and_fit_together(name: str) -> None:
    """Its own name, a model, a data set, and an input of the model's size."""
    recipe = find_recipe(name)
    assert recipe.name == name
    assert recipe.model.name in MODELS
    assert recipe.data.name in DATASETS
    with torch.device("meta"):
        channels, height, width = build(recipe.model.name, recipe.model.arguments).input_shape
    preprocessing = recipe.preprocessing
    assert (len(preprocessing.mean), preprocessing.height, preprocessing.width) == (channels, height, width)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_says_what_it_is_for(name: str) -> None:
    """Its docstring is the last column of `recognition-train recipes`."""
    assert RECIPES[name].__doc__


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """The user can pick from the error."""
    with pytest.raises(RecipeInvalid, match=r"no recipe named fashion; the recipes are: .*fashion_cnn"):
        find_recipe("fashion")
