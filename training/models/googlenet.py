"""GoogLeNet (Szegedy et al. 2014, arXiv 1409.4842) with batch normalisation, real 5 × 5 branches, auxiliary heads."""

import torch
from torch import Tensor, nn

from training.models.classifier import Classifier

SMALL = 64

# Table 1 of the paper: 1×1; 3×3 reduce, 3×3; 5×5 reduce, 5×5; pool projection.
INCEPTIONS: dict[str, tuple[int, int, int, int, int, int]] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution that keeps the size at stride 1, normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs, eps=0.001),
        nn.ReLU(),
    )


class Inception(nn.Module):
    """Four branches side by side; 1 × 1 convolutions make the larger ones cheap."""

    def __init__(self, inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        one, three_reduce, three, five_reduce, five, pool = widths
        self.branch1 = convolution(inputs, one, 1)
        self.branch2 = nn.Sequential(convolution(inputs, three_reduce, 1), convolution(three_reduce, three, 3))
        self.branch3 = nn.Sequential(convolution(inputs, five_reduce, 1), convolution(five_reduce, five, 5))
        self.branch4 = nn.Sequential(nn.MaxPool2d(kernel_size=3, stride=1, padding=1), convolution(inputs, pool, 1))
        self.outputs = one + three + five + pool

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)), dim=1)


def auxiliary_head(inputs: int, classes: int, divisor: int) -> nn.Sequential:
    """A small classifier on the middle of the network: pool to 4 × 4, 1 × 1 convolution, two layers."""
    width, hidden = 128 // divisor, 1024 // divisor
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(4),
        convolution(inputs, width, 1),
        nn.Flatten(),
        nn.Linear(width * 4 * 4, hidden),
        nn.ReLU(),
        nn.Dropout(0.7),
        nn.Linear(hidden, classes),
    )


class GoogLeNet(Classifier):
    """13,385,816 parameters with the auxiliary heads at 1,000 classes, 7,005,832 without.

    The heads regularise training, each with weight 0.3, and are not part of inference. Up to 64 pixels the stem keeps
    the size, or halves it with `stem_stride` 2. `divisor` thins all widths.
    """

    auxiliary_weight = 0.3

    def __init__(
        self, *, channels: int = 3, classes: int = 1000, size: int = 224, auxiliary: int = 1, divisor: int = 1,
        stem_stride: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (channels, size, size)
        small = size <= SMALL
        a, b = 64 // divisor, 192 // divisor
        self.stem = nn.Sequential(
            convolution(channels, a, 3) if small else convolution(channels, a, 7, stride=2),
            nn.Identity() if small and stem_stride == 1 else nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
            convolution(a, a, 1),
            convolution(a, b, 3),
            nn.Identity() if small else nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),
        )
        self.inceptions = nn.ModuleDict()
        inputs = b
        for name, widths in INCEPTIONS.items():
            block = Inception(inputs, tuple(width // divisor for width in widths))
            self.inceptions[name], inputs = block, block.outputs
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(inputs, classes)
        heads = {"4a": 512, "4d": 528} if auxiliary else {}
        self.auxiliaries = nn.ModuleDict(
            {name: auxiliary_head(width // divisor, classes, divisor) for name, width in heads.items()}
        )

    def features(self, images: Tensor) -> Tensor:
        return self._features(images)[0]

    def with_auxiliaries(self, images: Tensor) -> tuple[Tensor, ...]:
        embedding, auxiliaries = self._features(images, watched=tuple(self.auxiliaries))
        return (self.classifier(embedding), *auxiliaries)

    def _features(self, images: Tensor, watched: tuple[str, ...] = ()) -> tuple[Tensor, list[Tensor]]:
        auxiliaries = []
        x = self.stem(images)  # (N, 192, 28, 28) at 224 pixels
        for name, block in self.inceptions.items():
            if name in {"4a", "5a"}:
                x = self.pool(x)  # 14 × 14, then 7 × 7
            x = block(x)
            if name in watched:
                auxiliaries.append(self.auxiliaries[name](x))
        embedding: Tensor = self.dropout(self.flatten(self.average(x)))  # (N, 1024)
        return embedding, auxiliaries


VARIANTS = {"googlenet": GoogLeNet}
