"""Every model by name; `build` turns a name and its arguments, as a recipe or a record holds them, into a model."""

from collections.abc import Callable, Mapping

from training.errors import RecipeInvalid
from training.models import alexnet, densenet, googlenet, inception, lenet, nin, resnet, vgg
from training.models.classifier import Classifier
from training.models.fashion_cnn import FashionCNN

MODELS: dict[str, Callable[..., Classifier]] = {
    "fashion_cnn": FashionCNN,
    **lenet.VARIANTS,
    **alexnet.VARIANTS,
    **nin.VARIANTS,
    **vgg.VARIANTS,
    **googlenet.VARIANTS,
    **inception.VARIANTS,
    **resnet.VARIANTS,
    **densenet.VARIANTS,
}


def build(name: str, arguments: Mapping[str, int] | None = None) -> Classifier:
    """A model with fresh weights from torch's global generator. Raises RecipeInvalid for an unknown name."""
    check_name(name)
    try:
        return MODELS[name](**(arguments or {}))
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        given = ", ".join(f"{key}={value}" for key, value in (arguments or {}).items())
        raise RecipeInvalid(f"the model {name} cannot be built with {given}: {error}") from error


def check_name(name: str) -> None:
    """Raises RecipeInvalid, with the names that there are, for any other."""
    if name not in MODELS:
        raise RecipeInvalid(f"there is no model named {name}; the models are: {', '.join(sorted(MODELS))}")


__all__ = ["MODELS", "Classifier", "build", "check_name"]
