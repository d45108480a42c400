"""What every model of the registry promises (training/models/__init__.py, classifier.py)."""

import pytest
import torch

from training.errors import RecipeInvalid
from training.models import MODELS, build


@pytest.mark.parametrize("name", sorted(MODELS))
def test_logits_are_the_head_applied_to_the_embedding(name: str) -> None:
    """The export takes both, so neither may be computed another way."""
    model = build(name).eval()
    images = torch.randn(2, *model.input_shape)
    embedding = model.features(images)
    assert embedding.ndim == 2
    assert torch.equal(model(images), model.classifier(embedding))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_arguments_reach_the_model(name: str) -> None:
    """As a record holds them."""
    assert build(name, {"classes": 4})(torch.zeros(2, *build(name).input_shape)).shape == (2, 4)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """The user can pick from the error."""
    with pytest.raises(RecipeInvalid, match=r"no model named resnet_19; the models are: .*fashion_cnn"):
        build("resnet_19")
