"""The normalisation of AlexNet is the same in training as PyTorch's own in inference."""

import torch

from training.models.local_response import LocalResponseNorm


def test_training_and_inference_compute_the_same() -> None:
    """Outputs and gradients, with fewer channels than the window and with more, where the sums are large."""
    for channels in (3, 12):
        torch.manual_seed(channels)
        images = torch.randn(2, channels, 7, 7) * 20
        found = []
        for training in (True, False):
            given = images.clone().requires_grad_()
            output = LocalResponseNorm(size=5, alpha=0.1, k=2.0).train(training)(given)
            torch.autograd.backward((output * output).sum())
            assert given.grad is not None
            found.append((output.detach(), given.grad))
        (trained, slope), (inferred, other_slope) = found
        assert torch.allclose(trained, inferred, rtol=1e-4)
        assert torch.allclose(slope, other_slope, rtol=1e-3, atol=1e-3)
        assert not torch.allclose(trained, images)
