"""AlexNet (Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks").

`alexnet_2012` is the network of the paper: two towers as groups, local response normalisation, overlapping pooling.
`alexnet` is the one-tower network of 2014 ("One weird trick", arXiv 1404.5997) as torchvision builds it.
"""

import torchvision
from torch import Tensor, nn

from training.models.classifier import Classifier
from training.models.initialise import initialise
from training.models.local_response import LocalResponseNorm

SMALL = 64
"""Up to so many pixels a side the first convolution keeps the size, since there is little to throw away."""


class AlexNet2012(Classifier):
    """Five convolutions and three fully connected layers; 60,965,224 parameters at 227 pixels and 1,000 classes.

    At 224 pixels (224 - 11)/4 + 1 = 54.25 is not whole; the network is drawn for 227. `divisor` thins all widths.
    """

    def __init__(self, *, channels: int = 3, classes: int = 1000, size: int = 227, divisor: int = 1) -> None:
        super().__init__()
        self.input_shape = (channels, size, size)
        small = size <= SMALL
        widths = [width // divisor for width in (96, 256, 384, 384, 256)]
        self.conv1 = nn.Conv2d(channels, widths[0], *((5, 1, 2) if small else (11, 4, 0)))
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(widths[2], widths[3], kernel_size=3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(widths[3], widths[4], kernel_size=3, padding=1, groups=2)
        self.norm = LocalResponseNorm(size=5, alpha=1e-4, k=2.0)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2)
        self.relu = nn.ReLU()
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(0.5)
        side = pooled(pooled(pooled(size if small else (size - 11) // 4 + 1)))
        self.fc6 = nn.Linear(widths[4] * side * side, 4096 // divisor)
        self.fc7 = nn.Linear(4096 // divisor, 4096 // divisor)
        self.classifier = nn.Linear(4096 // divisor, classes)
        initialise(self)

    def features(self, images: Tensor) -> Tensor:
        x = self.pool(self.norm(self.relu(self.conv1(images))))  # (N, 96, 27, 27) at 227 pixels
        x = self.pool(self.norm(self.relu(self.conv2(x))))  # (N, 256, 13, 13)
        x = self.relu(self.conv3(x))  # (N, 384, 13, 13)
        x = self.relu(self.conv4(x))  # (N, 384, 13, 13)
        x = self.pool(self.relu(self.conv5(x)))  # (N, 256, 6, 6)
        x = self.relu(self.fc6(self.dropout(self.flatten(x))))  # (N, 4096)
        embedding: Tensor = self.relu(self.fc7(self.dropout(x)))  # (N, 4096)
        return embedding


def pooled(side: int) -> int:
    """A side after the overlapping pooling, windows of 3 at a stride of 2."""
    return (side - 3) // 2 + 1


class AlexNet(Classifier):
    """61,100,840 parameters at 224 pixels and 1,000 classes."""

    def __init__(self, *, channels: int = 3, classes: int = 1000, size: int = 224) -> None:
        super().__init__()
        self.input_shape = (channels, size, size)
        net = torchvision.models.alexnet(weights=None, num_classes=classes)
        self.body = net.features
        if size <= SMALL:
            self.body[0] = nn.Conv2d(channels, 64, kernel_size=5, stride=1, padding=2)
        elif channels != 3:
            self.body[0] = nn.Conv2d(channels, 64, kernel_size=11, stride=4, padding=2)
        self.pool = net.avgpool
        self.flatten = nn.Flatten()
        self.head = net.classifier[:-1]
        self.classifier = net.classifier[-1]

    def features(self, images: Tensor) -> Tensor:
        x = self.pool(self.body(images))  # (N, 256, 6, 6)
        embedding: Tensor = self.head(self.flatten(x))  # (N, 4096)
        return embedding


VARIANTS = {"alexnet_2012": AlexNet2012, "alexnet": AlexNet}
