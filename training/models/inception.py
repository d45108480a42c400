"""Inception-v3 (Szegedy et al. 2015, arXiv 1512.00567): 5 × 5 as two 3 × 3, n × n as 1 × n and n × 1."""

from typing import Any

from torch import Tensor, nn
from torchvision.models.inception import (
    BasicConv2d,
    InceptionA,
    InceptionAux,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
)

from training.models.classifier import Classifier

SMALL = 64


class InceptionV3(Classifier):
    """27,161,264 parameters with the auxiliary head at 299 pixels and 1,000 classes, 23,834,568 without.

    The head regularises training with weight 0.3 and is not part of inference. Up to 64 pixels the stem keeps the size,
    or halves it with `stem_stride` 2. `divisor` thins all widths.
    """

    auxiliary_weight = 0.3

    def __init__(
        self, *, channels: int = 3, classes: int = 1000, size: int = 299, auxiliary: int = 1, divisor: int = 1,
        stem_stride: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (channels, size, size)
        small = size <= SMALL

        def convolution(inputs: int, outputs: int, **options: Any) -> BasicConv2d:
            return BasicConv2d(inputs // divisor, outputs // divisor, **options)

        blocks: dict[str, Any] = {"conv_block": convolution}
        first = BasicConv2d(channels, 32 // divisor, kernel_size=3, **({"padding": 1} if small else {"stride": 2}))
        self.stem = nn.Sequential(
            first,
            convolution(32, 32, kernel_size=3, padding=1 if small else 0),
            convolution(32, 64, kernel_size=3, padding=1),
            nn.Identity() if small and stem_stride == 1 else nn.MaxPool2d(kernel_size=3, stride=2, padding=int(small)),
            convolution(64, 80, kernel_size=1),
            convolution(80, 192, kernel_size=3, padding=1 if small else 0),
            nn.Identity() if small else nn.MaxPool2d(kernel_size=3, stride=2),
        )  # 299 → 35 pixels
        self.a = nn.Sequential(
            *(InceptionA(inputs, pool, **blocks) for inputs, pool in ((192, 32), (256, 64), (288, 64)))
        )
        self.b = nn.Sequential(
            InceptionB(288, **blocks), *(InceptionC(768, width, **blocks) for width in (128, 160, 160, 192))
        )
        self.c = nn.Sequential(InceptionD(768, **blocks), InceptionE(1280, **blocks), InceptionE(2048, **blocks))
        self.average = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.5)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(2048 // divisor, classes)
        self.auxiliary: nn.Module | None = None
        if auxiliary:
            self.auxiliary = small_auxiliary(classes, divisor) if small else InceptionAux(768 // divisor, classes)

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


def small_auxiliary(classes: int, divisor: int) -> nn.Sequential:
    """The auxiliary head for a map of any size."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(5),
        BasicConv2d(768 // divisor, 128 // divisor, kernel_size=1),
        BasicConv2d(128 // divisor, 768 // divisor, kernel_size=5),
        nn.Flatten(),
        nn.Linear(768 // divisor, classes),
    )


VARIANTS = {"inception_v3": InceptionV3}
