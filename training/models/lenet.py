"""LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document recognition"), published and taught."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.models.classifier import Classifier

# Table I of the paper: which of the six maps of S2 each of the sixteen maps of C3 sees.
C3_TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)
INPUT_MAPS = 6


class ScaledTanh(nn.Module):
    """1.7159 tanh(2/3 x), which maps ±1 to ±1 (appendix A of the paper)."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(x * 2 / 3)


class Subsampling(nn.Module):
    """Averages 2 × 2 pixels; each map has one trainable coefficient and one bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)
        self.coefficient = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.pool(x)
        return pooled * self.coefficient[:, None, None] + self.bias[:, None, None]


class SparseConvolution(nn.Module):
    """C3: every output map sees the input maps of its row of the table.

    Training computes the same as one dense convolution with zeros where the table has no connection: sixteen small
    ones and their gradients make a step two and a half times as long.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Conv2d(len(row), 1, kernel_size=5) for row in C3_TABLE)
        places = [place * INPUT_MAPS + seen for place, row in enumerate(C3_TABLE) for seen in row]
        self.register_buffer("places", torch.tensor(places), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return self._dense(x)
        return torch.cat([conv(x[:, list(row)]) for conv, row in zip(self.maps, C3_TABLE, strict=True)], dim=1)

    def _dense(self, x: Tensor) -> Tensor:
        kernels = torch.cat([conv.get_parameter("weight")[0] for conv in self.maps])  # (60, 5, 5)
        nothing = kernels.new_zeros(len(C3_TABLE) * INPUT_MAPS, 5, 5)
        weight = nothing.index_copy(0, self.get_buffer("places"), kernels).view(len(C3_TABLE), INPUT_MAPS, 5, 5)
        return functional.conv2d(x, weight, torch.cat([conv.get_parameter("bias") for conv in self.maps]))


class RadialBasis(nn.Module):
    """Minus half the squared distance to a fixed code of ±1 for each class, so that the nearest code scores highest.

    The paper draws its codes as small bitmaps of the digits; here they are drawn by a fixed generator, for any classes.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1998)
        codes = torch.randint(0, 2, (classes, features), generator=generator) * 2.0 - 1.0
        self.register_buffer("codes", codes)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self._scores(x)
        with torch.autocast(x.device.type, enabled=False):  # large numbers cancel here, of which bf16 keeps 8 bits
            return self._scores(x.float())

    def _scores(self, x: Tensor) -> Tensor:
        codes: Tensor = self.get_buffer("codes")
        distances = (x * x).sum(1, keepdim=True) - 2 * functional.linear(x, codes) + codes.shape[1]
        return -distances / 2


class LeNet1998(Classifier):
    """Seven layers and 60,000 trainable parameters for 32 × 32 pixels: sparse C3, tanh, trainable subsampling."""

    def __init__(self, *, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.input_shape = (channels, 32, 32)
        self.c1 = nn.Conv2d(channels, 6, kernel_size=5)
        self.s2 = Subsampling(6)
        self.c3 = SparseConvolution()
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.flatten = nn.Flatten()
        self.f6 = nn.Linear(120, 84)
        self.squash = ScaledTanh()
        self.classifier = RadialBasis(84, classes)

    def features(self, images: Tensor) -> Tensor:
        x = self.squash(self.c1(images))  # (N, 6, 28, 28)
        x = self.squash(self.s2(x))  # (N, 6, 14, 14)
        x = self.squash(self.c3(x))  # (N, 16, 10, 10)
        x = self.squash(self.s4(x))  # (N, 16, 5, 5)
        x = self.squash(self.c5(x))  # (N, 120, 1, 1)
        embedding: Tensor = self.squash(self.f6(self.flatten(x)))  # (N, 84)
        return embedding


class LeNet(Classifier):
    """The dense form that courses teach: 61,706 parameters, ReLU and max pooling; 28 pixels are padded by 2."""

    def __init__(self, *, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.input_shape = (channels, 28, 28)
        self.conv1 = nn.Conv2d(channels, 6, kernel_size=5, padding=2)
        self.pool1 = nn.MaxPool2d(kernel_size=2, stride=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.pool2 = nn.MaxPool2d(kernel_size=2, stride=2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.relu = nn.ReLU()
        self.classifier = nn.Linear(84, classes)

    def features(self, images: Tensor) -> Tensor:
        x = self.pool1(self.relu(self.conv1(images)))  # (N, 6, 14, 14)
        x = self.pool2(self.relu(self.conv2(x)))  # (N, 16, 5, 5)
        x = self.relu(self.fc1(self.flatten(x)))  # (N, 120)
        embedding: Tensor = self.relu(self.fc2(x))  # (N, 84)
        return embedding


VARIANTS = {"lenet5_1998": LeNet1998, "lenet5": LeNet}
