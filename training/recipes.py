"""Every recipe by name: a function that returns a whole configuration."""

from collections.abc import Callable

from training.config import Augmentation, DataConfig, ModelConfig, Optimization, Preprocessing, Recipe
from training.errors import RecipeInvalid

FASHION_MNIST_INPUT = Preprocessing(
    pixel_format="gray8",
    height=28,
    width=28,
    polarity="bright_on_dark",
    mean=(0.2860,),
    std=(0.3530,),
)
"""Mean and standard deviation of the training pixels. The clothes are bright on black: photographs on white are
inverted first, which changes none of the 70,000 pictures of the data set."""


def fashion_cnn() -> Recipe:
    """The course's CNN on Fashion-MNIST, in about two minutes on two CPU cores."""
    return Recipe(
        name="fashion_cnn",
        model=ModelConfig(name="fashion_cnn", arguments={"channels": 1, "classes": 10}),
        data=DataConfig(name="fashion-mnist"),
        preprocessing=FASHION_MNIST_INPUT,
        augmentation=Augmentation(flip=True, shift=1),
        optimization=Optimization(learning_rate=0.1, weight_decay=5e-4),
        epochs=12,
        batch_size=128,
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    "fashion_cnn": fashion_cnn,
}


def find_recipe(name: str) -> Recipe:
    """Raises RecipeInvalid, with the names that there are, for any other."""
    if name not in RECIPES:
        raise RecipeInvalid(f"there is no recipe named {name}; the recipes are: {', '.join(sorted(RECIPES))}")
    return RECIPES[name]()
