"""ResNet (He et al. 2015, arXiv 1512.03385) and its wide variants (Zagoruyko and Komodakis 2016, arXiv 1605.07146).

`resnet18` … `wide_resnet101_2` are torchvision's (v1.5: the stride of a bottleneck is on its 3 × 3 convolution).
`resnet20` is the CIFAR network of the first paper, `wrn_16_8` and `wrn_28_10` are those of the second.
"""

from collections.abc import Callable
from functools import partial

import torchvision
from torch import Tensor, nn
from torch.nn import functional

from training.models.classifier import Classifier

SMALL = 64


class ResNet(Classifier):
    """Four stages of residual blocks. Up to 64 pixels the stem is one 3 × 3 convolution that keeps the size.

    `caffe` gives the network as its authors published it in 2015: the stride on the first convolution of a bottleneck.
    """

    def __init__(self, name: str, *, channels: int = 3, classes: int = 1000, size: int = 224, caffe: int = 0) -> None:
        super().__init__()
        self.input_shape = (channels, size, size)
        net = torchvision.models.get_model(name, weights=None, num_classes=classes)
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        if size <= SMALL:
            self.conv1 = nn.Conv2d(channels, 64, kernel_size=3, stride=1, padding=1, bias=False)
            self.maxpool = nn.Identity()
        elif channels != 3:
            self.conv1 = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        self.avgpool = net.avgpool
        self.flatten = nn.Flatten()
        self.classifier = net.fc
        if caffe:
            self._as_published()

    def _as_published(self) -> None:
        for stage in (self.layer2, self.layer3, self.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 1e-3

    def features(self, images: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))  # (N, 64, 56, 56) at 224 pixels
        x = self.layer2(self.layer1(x))  # (N, 128, 28, 28), four times the channels with bottlenecks
        x = self.layer4(self.layer3(x))  # (N, 512, 7, 7)
        embedding: Tensor = self.flatten(self.avgpool(x))  # (N, 512)
        return embedding


class PlainBlock(nn.Module):
    """F(x) + x with two 3 × 3 convolutions; where the shape changes, x is thinned and padded with zeros (option A)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride, self.extra = stride, outputs - inputs
        self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.extra:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))
        added: Tensor = self.relu(residual + x)
        return added


class WideBlock(nn.Module):
    """Normalisation and ReLU before each convolution; a 1 × 1 projection where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False)
        self.relu = nn.ReLU()
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        before = self.relu(self.bn1(x))
        residual: Tensor = self.conv2(self.relu(self.bn2(self.conv1(before))))
        return residual + (x if self.shortcut is None else self.shortcut(before))


class ThreeStageResNet(Classifier):
    """Stages at full, half and quarter size of a small picture; `blocks` blocks in each, `width` times 16 channels.

    `divisor` thins the stages, not the first convolution.
    """

    def __init__(
        self, block: type[PlainBlock | WideBlock], blocks: int, width: int, *, channels: int = 1, classes: int = 10,
        size: int = 28, divisor: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_shape = (channels, size, size)
        self.conv1 = nn.Conv2d(channels, 16, kernel_size=3, padding=1, bias=False)
        plain = block is PlainBlock
        self.bn1 = nn.BatchNorm2d(16) if plain else nn.Identity()
        self.relu = nn.ReLU()
        stages: list[nn.Module] = []
        inputs = 16
        for stage, outputs in enumerate((16 * width // divisor, 32 * width // divisor, 64 * width // divisor)):
            for number in range(blocks):
                stages.append(block(inputs, outputs, stride=2 if stage > 0 and number == 0 else 1))
                inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.bn2 = nn.Identity() if plain else nn.BatchNorm2d(inputs)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(inputs, classes)

    def features(self, images: Tensor) -> Tensor:
        x = self.conv1(images)  # (N, 16, 28, 28)
        if isinstance(self.bn1, nn.BatchNorm2d):
            x = self.relu(self.bn1(x))
        x = self.stages(x)  # (N, 64 × width, 7, 7)
        if isinstance(self.bn2, nn.BatchNorm2d):
            x = self.relu(self.bn2(x))
        embedding: Tensor = self.flatten(self.avgpool(x))  # (N, 64 × width)
        return embedding


VARIANTS: dict[str, Callable[..., Classifier]] = {
    "resnet18": partial(ResNet, "resnet18"),
    "resnet34": partial(ResNet, "resnet34"),
    "resnet50": partial(ResNet, "resnet50"),
    "resnet101": partial(ResNet, "resnet101"),
    "resnet152": partial(ResNet, "resnet152"),
    "wide_resnet50_2": partial(ResNet, "wide_resnet50_2"),
    "wide_resnet101_2": partial(ResNet, "wide_resnet101_2"),
    "resnet20": partial(ThreeStageResNet, PlainBlock, 3, 1),
    "wrn_16_8": partial(ThreeStageResNet, WideBlock, 2, 8),
    "wrn_28_10": partial(ThreeStageResNet, WideBlock, 4, 10),
}
