"""DenseNet (Huang et al. 2017, arXiv 1608.06993): each layer of a block sees all the layers before it."""

from collections.abc import Callable
from functools import partial

import torchvision
from torch import Tensor, nn
from torch.nn import functional

from training.models.classifier import Classifier

SMALL = 64


class DenseNet(Classifier):
    """Four dense blocks (torchvision's). Up to 64 pixels the stem is one 3 × 3 convolution that keeps the size."""

    def __init__(self, name: str, *, channels: int = 3, classes: int = 1000, size: int = 224) -> None:
        super().__init__()
        self.input_shape = (channels, size, size)
        net = torchvision.models.get_model(name, weights=None, num_classes=classes)
        self.body = net.features
        width = self.body.conv0.out_channels
        if size <= SMALL:
            self.body.conv0 = nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False)
            self.body.pool0 = nn.Identity()
        elif channels != 3:
            self.body.conv0 = nn.Conv2d(channels, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = net.classifier

    def features(self, images: Tensor) -> Tensor:
        x = functional.relu(self.body(images))  # (N, 1024, 7, 7) for 121 layers at 224 pixels
        embedding: Tensor = self.flatten(self.avgpool(x))  # (N, 1024)
        return embedding


class DenseNetBC(Classifier):
    """The CIFAR form: three blocks, bottlenecks of 4k channels (B) and transitions that halve the channels (C).

    `divisor` thins the growth rate; `stem_stride` 2 halves the picture in the first convolution.
    """

    def __init__(
        self, depth: int, growth: int, *, channels: int = 1, classes: int = 10, size: int = 28, divisor: int = 1,
        stem_stride: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        growth //= divisor
        self.input_shape = (channels, size, size)
        layers = (depth - 4) // 6
        net = torchvision.models.DenseNet(
            growth_rate=growth, block_config=(layers,) * 3, num_init_features=2 * growth, num_classes=classes
        )
        self.body = net.features
        self.body.conv0 = nn.Conv2d(channels, 2 * growth, 3, stride=stem_stride, padding=1, bias=False)
        self.body.norm0, self.body.relu0, self.body.pool0 = nn.Identity(), nn.Identity(), nn.Identity()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = net.classifier

    def features(self, images: Tensor) -> Tensor:
        x = functional.relu(self.body(images))  # (N, 342, 7, 7) for depth 100 and growth 12
        embedding: Tensor = self.flatten(self.avgpool(x))  # (N, 342)
        return embedding


VARIANTS: dict[str, Callable[..., Classifier]] = {
    "densenet121": partial(DenseNet, "densenet121"),
    "densenet161": partial(DenseNet, "densenet161"),
    "densenet169": partial(DenseNet, "densenet169"),
    "densenet201": partial(DenseNet, "densenet201"),
    "densenet_bc_40_12": partial(DenseNetBC, 40, 12),
    "densenet_bc_100_12": partial(DenseNetBC, 100, 12),
}
