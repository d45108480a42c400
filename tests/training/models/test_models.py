"""What every model of the registry promises (training/models/__init__.py, classifier.py)."""

import pytest
import torch

from tests.training.models.forms import SMALL_FORMS
from training.errors import RecipeInvalid
from training.models import build


@pytest.mark.parametrize(("name", "arguments"), SMALL_FORMS)
def test_logits_are_the_head_applied_to_the_embedding(name: str, arguments: dict[str, int]) -> None:
    """The export takes both, so neither may be computed another way."""
    model = build(name, arguments).eval()
    images = torch.randn(2, *model.input_shape)
    embedding = model.features(images)
    assert embedding.ndim == 2
    assert torch.equal(model(images), model.classifier(embedding))


@pytest.mark.parametrize(("name", "arguments"), SMALL_FORMS)
def test_arguments_reach_the_model(name: str, arguments: dict[str, int]) -> None:
    """As a record holds them."""
    model = build(name, {**arguments, "classes": 4})
    assert model(torch.zeros(2, *model.input_shape)).shape == (2, 4)


def test_arguments_that_do_not_fit_are_named() -> None:
    """A size that leaves nothing to pool, and an argument that the model does not take."""
    with pytest.raises(RecipeInvalid, match=r"alexnet_2012 cannot be built with size=80"):
        build("alexnet_2012", {"size": 80, "divisor": 0})
    with pytest.raises(RecipeInvalid, match=r"lenet5 cannot be built with size=64"):
        build("lenet5", {"size": 64})


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """The user can pick from the error."""
    with pytest.raises(RecipeInvalid, match=r"no model named resnet_19; the models are: .*fashion_cnn"):
        build("resnet_19")


def test_the_sparse_layer_trains_as_it_infers() -> None:
    """One dense convolution with zeros, or one for each row of the table: the same maps and the same gradients."""
    torch.manual_seed(0)
    layer, images = build("lenet5_1998").get_submodule("c3"), torch.randn(4, 6, 14, 14)
    found = []
    for training in (True, False):
        layer.train(training).zero_grad()
        maps = layer(images)
        torch.autograd.backward((maps * maps).sum())
        found.append((maps.detach(), [parameter.grad for parameter in layer.parameters()]))
    (dense, dense_gradients), (sparse, sparse_gradients) = found
    assert torch.allclose(dense, sparse, atol=1e-5)
    assert len(dense_gradients) == 32
    for one, other in zip(dense_gradients, sparse_gradients, strict=True):
        assert one is not None
        assert other is not None
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-3)
