"""Inception-v3 (Szegedy et al. 2015, arXiv 1512.00567): 5 × 5 as two 3 × 3, n × n as 1 × n and n × 1."""

import torchvision
from torch import Tensor, nn
from torchvision.models.inception import BasicConv2d, InceptionAux

from training.models.classifier import Classifier

SMALL = 64


class InceptionV3(Classifier):
    """27,161,264 parameters with the auxiliary head at 299 pixels and 1,000 classes, 23,834,568 without.

    The head regularises training with weight 0.3 and is not part of inference. Up to 64 pixels the stem keeps the size.
    """

    auxiliary_weight = 0.3

    def __init__(self, *, channels: int = 3, classes: int = 1000, size: int = 299, auxiliary: int = 1) -> None:
        super().__init__()
        self.input_shape = (channels, size, size)
        net = torchvision.models.inception_v3(weights=None, num_classes=classes, init_weights=False)
        self.stem = small_stem(channels) if size <= SMALL else large_stem(net, channels)
        self.a = nn.Sequential(net.Mixed_5b, net.Mixed_5c, net.Mixed_5d)
        self.b = nn.Sequential(net.Mixed_6a, net.Mixed_6b, net.Mixed_6c, net.Mixed_6d, net.Mixed_6e)
        self.c = nn.Sequential(net.Mixed_7a, net.Mixed_7b, net.Mixed_7c)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.dropout = net.dropout
        self.flatten = nn.Flatten()
        self.classifier = net.fc
        self.auxiliary: nn.Module | None = None
        if auxiliary:
            self.auxiliary = small_auxiliary(classes) if size <= SMALL else InceptionAux(768, classes)

    def features(self, images: Tensor) -> Tensor:
        return self._embedding(self.b(self.a(self.stem(images))))

    def with_auxiliaries(self, images: Tensor) -> tuple[Tensor, ...]:
        x = self.b(self.a(self.stem(images)))
        logits = self.classifier(self._embedding(x))
        return (logits,) if self.auxiliary is None else (logits, self.auxiliary(x))

    def _embedding(self, x: Tensor) -> Tensor:
        x = self.average(self.c(x))  # (N, 2048, 1, 1)
        embedding: Tensor = self.flatten(self.dropout(x))  # (N, 2048)
        return embedding


def large_stem(net: torchvision.models.Inception3, channels: int) -> nn.Sequential:
    """299 → 35 pixels."""
    first = net.Conv2d_1a_3x3 if channels == 3 else BasicConv2d(channels, 32, kernel_size=3, stride=2)
    return nn.Sequential(
        first, net.Conv2d_2a_3x3, net.Conv2d_2b_3x3, net.maxpool1, net.Conv2d_3b_1x1, net.Conv2d_4a_3x3, net.maxpool2
    )


def small_stem(channels: int) -> nn.Sequential:
    """The same convolutions at full size."""
    return nn.Sequential(
        BasicConv2d(channels, 32, kernel_size=3, padding=1),
        BasicConv2d(32, 32, kernel_size=3, padding=1),
        BasicConv2d(32, 64, kernel_size=3, padding=1),
        BasicConv2d(64, 80, kernel_size=1),
        BasicConv2d(80, 192, kernel_size=3, padding=1),
    )


def small_auxiliary(classes: int) -> nn.Sequential:
    """The auxiliary head for a map of any size."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(5),
        BasicConv2d(768, 128, kernel_size=1),
        BasicConv2d(128, 768, kernel_size=5),
        nn.Flatten(),
        nn.Linear(768, classes),
    )


VARIANTS = {"inception_v3": InceptionV3}
