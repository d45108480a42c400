"""First weights for deep networks without batch normalisation, which do not learn from torch's own."""

from torch import nn


def initialise(model: nn.Module) -> None:
    """He et al. 2015 (arXiv 1502.01852): weights that keep the variance through a layer and its ReLU, biases of 0."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
