"""Predictions are in order, independent of batching, and made with the recipe's normalisation."""

import numpy as np
import pytest
import torch

from training.config import Preprocessing
from training.data import Splits
from training.evaluate import BATCH_SIZE, as_tensor, channels_last, normalise, predict
from training.models import build
from training.recipes import FASHION_MNIST_INPUT


def test_normalisation_is_the_textbook_one() -> None:
    """(pixel / 255 - mean) / std for each channel."""
    preprocessing = Preprocessing(pixel_format="rgb8", height=1, width=1, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.125))
    pixels = as_tensor(np.array([[[[0, 51, 255]]]], dtype=np.uint8))
    assert pixels.shape == (1, 3, 1, 1)
    assert normalise(pixels, preprocessing).flatten().tolist() == pytest.approx([-0.2, 0.0, 5.6])


def test_after_an_export_tensors_are_tensors_again() -> None:
    """Nothing that stands for one while a graph is exported is kept for those who compute."""

    class Normalising(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return normalise(pixels, preprocessing)

    preprocessing = Preprocessing(pixel_format="gray8", height=1, width=1, mean=(0.123,), std=(0.321,))
    pixels = torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)
    torch.export.export(Normalising(), (pixels,))
    assert normalise(pixels, preprocessing).numpy().item() == pytest.approx((1 - 0.123) / 0.321)


class OnGPU(torch.Tensor):
    """Says that it lies there."""

    is_cuda = True


def test_pictures_of_one_channel_get_the_strides_of_channels_last_on_a_gpu() -> None:
    """By which torch goes there; elsewhere nothing moves."""
    pictures = torch.arange(24.0).view(2, 1, 3, 4)
    laid_out = channels_last(pictures.as_subclass(OnGPU))
    assert laid_out.stride() == (12, 1, 4, 1)
    assert torch.equal(laid_out.as_subclass(torch.Tensor), pictures)
    assert channels_last(pictures).data_ptr() == pictures.data_ptr()


def test_predictions_come_in_the_order_of_the_images(splits: Splits) -> None:
    """Whatever the batches, and although the model was training."""
    model = build("fashion_cnn").train()
    images = splits.test.take(np.arange(300, dtype=np.int64).repeat(3))
    assert len(images) > BATCH_SIZE
    predictions = predict(model, images, FASHION_MNIST_INPUT)
    one = model(normalise(as_tensor(images.pixels[700:701]), FASHION_MNIST_INPUT))
    assert predictions.logits.shape == (900, 10)
    assert np.allclose(predictions.logits[700], one.detach().numpy(), atol=1e-5)
    assert np.array_equal(predictions.labels, images.labels)
    assert not model.training


def test_predicting_changes_nothing(splits: Splits) -> None:
    """Batch statistics stay as they are."""
    model = build("fashion_cnn")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    predict(model, splits.validation, FASHION_MNIST_INPUT)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
