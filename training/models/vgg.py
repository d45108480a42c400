"""VGG (Simonyan and Zisserman 2014, arXiv 1409.1556): 3 × 3 convolutions only, 11 to 19 layers with weights."""

from collections.abc import Callable
from functools import partial

import torchvision
from torch import Tensor, nn

from training.models.classifier import Classifier
from training.models.initialise import initialise

SMALL = 64

# Configurations A, B, D and E of the paper: output channels of each convolution, M for max pooling.
LAYERS: dict[int, tuple[int | str, ...]] = {
    11: (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    13: (64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"),
    16: (64, 64, "M", 128, 128, "M", *(256,) * 3, "M", *(512,) * 3, "M", *(512,) * 3, "M"),
    19: (64, 64, "M", 128, 128, "M", *(256,) * 4, "M", *(512,) * 4, "M", *(512,) * 4, "M"),
}


class VGG(Classifier):
    """The paper's three fully connected layers from 65 pixels up; one, on a single pixel, for 32 × 32.

    The large form is torchvision's. In the small form the convolutions before a normalisation have no bias, which it
    would take away again; `divisor` thins the widths.
    """

    def __init__(
        self, depth: int, norm: bool, *, channels: int = 3, classes: int = 1000, size: int = 224, divisor: int = 1
    ) -> None:
        super().__init__()
        self.input_shape = (channels, size, size)
        self.flatten = nn.Flatten()
        if size <= SMALL:
            self.body = small_body(depth, norm, channels, divisor)
            self.pool: nn.Module = nn.AdaptiveAvgPool2d(1)
            self.head: nn.Module = nn.Identity()
            self.classifier = nn.Linear(512 // divisor, classes)
            return
        net = torchvision.models.get_model(f"vgg{depth}{'_bn' if norm else ''}", weights=None, num_classes=classes)
        self.body = net.features
        if channels != 3:
            self.body[0] = nn.Conv2d(channels, 64, kernel_size=3, padding=1)
        self.pool, self.head, self.classifier = net.avgpool, net.classifier[:-1], net.classifier[-1]

    def features(self, images: Tensor) -> Tensor:
        x = self.pool(self.body(images))  # (N, 512, 7, 7) at 224 pixels
        embedding: Tensor = self.head(self.flatten(x))  # (N, 4096)
        return embedding


def small_body(depth: int, norm: bool, channels: int, divisor: int) -> nn.Sequential:
    """The convolutions of a configuration; five poolings take 32 pixels to one."""
    layers: list[nn.Module] = []
    for width in LAYERS[depth]:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, width // divisor, kernel_size=3, padding=1, bias=not norm))
        layers += [nn.BatchNorm2d(width // divisor)] if norm else []
        layers.append(nn.ReLU())
        channels = width // divisor
    body = nn.Sequential(*layers)
    if not norm:
        initialise(body)
    return body


VARIANTS: dict[str, Callable[..., Classifier]] = {
    "vgg11": partial(VGG, 11, False),
    "vgg11_bn": partial(VGG, 11, True),
    "vgg13": partial(VGG, 13, False),
    "vgg13_bn": partial(VGG, 13, True),
    "vgg16": partial(VGG, 16, False),
    "vgg16_bn": partial(VGG, 16, True),
    "vgg19": partial(VGG, 19, False),
    "vgg19_bn": partial(VGG, 19, True),
}
