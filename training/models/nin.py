"""Network in network (Lin et al. 2013, arXiv 1312.4400): 1 × 1 convolutions between, averages for a head."""

from torch import Tensor, nn

from training.models.classifier import Classifier
from training.models.initialise import initialise

SMALL = 64


def mlpconv(
    inputs: int, widths: tuple[int, int, int], kernel: int, stride: int, padding: int, *, norm: int
) -> nn.Sequential:
    """A convolution and two of 1 × 1: a small perceptron that slides over the picture."""
    layers: list[nn.Module] = []
    for number, width in enumerate(widths):
        layers.append(nn.Conv2d(inputs, width, *((kernel, stride, padding) if number == 0 else (1, 1, 0))))
        layers += [nn.BatchNorm2d(width), nn.ReLU()] if norm else [nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers)


class NiN(Classifier):
    """7,595,176 parameters at 224 pixels and 1,000 classes; 966,986 in the CIFAR form (32 × 32 × 3, ten classes).

    The last block has one map for each class and their averages are the logits, so the embedding is the logits.
    `divisor` thins the widths, `dropout` is in per cent, `norm` 1 adds the batch normalisation that came later.
    """

    def __init__(
        self, *, channels: int = 3, classes: int = 1000, size: int = 224, divisor: int = 1, dropout: int = 50,
        norm: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (channels, size, size)
        build = self._small if size <= SMALL else self._large
        self.body = build(channels, classes, divisor, dropout / 100, norm)
        initialise(self.body)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Identity()

    def features(self, images: Tensor) -> Tensor:
        x = self.average(self.body(images))  # (N, classes, 1, 1)
        embedding: Tensor = self.flatten(x)  # (N, classes)
        return embedding

    @staticmethod
    def _large(channels: int, classes: int, divisor: int, dropout: float, norm: int) -> nn.Sequential:
        a, b, c, d = (width // divisor for width in (96, 256, 384, 1024))
        return nn.Sequential(
            mlpconv(channels, (a, a, a), kernel=11, stride=4, padding=0, norm=norm),  # (N, 96, 54, 54)
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 96, 26, 26)
            mlpconv(a, (b, b, b), kernel=5, stride=1, padding=2, norm=norm),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 12, 12)
            mlpconv(b, (c, c, c), kernel=3, stride=1, padding=1, norm=norm),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 384, 5, 5)
            nn.Dropout(dropout),
            mlpconv(c, (d, d, classes), kernel=3, stride=1, padding=1, norm=norm),
        )

    @staticmethod
    def _small(channels: int, classes: int, divisor: int, dropout: float, norm: int) -> nn.Sequential:
        a, b, c = (width // divisor for width in (192, 160, 96))
        return nn.Sequential(
            mlpconv(channels, (a, b, c), kernel=5, stride=1, padding=2, norm=norm),  # (N, 96, 32, 32)
            nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 96, 16, 16)
            nn.Dropout(dropout),
            mlpconv(c, (a, a, a), kernel=5, stride=1, padding=2, norm=norm),
            nn.AvgPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 192, 8, 8)
            nn.Dropout(dropout),
            mlpconv(a, (a, a, classes), kernel=3, stride=1, padding=1, norm=norm),
        )


VARIANTS = {"nin": NiN}
