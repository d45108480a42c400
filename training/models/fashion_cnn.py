"""The course's CNN for Fashion-MNIST: two 5 × 5 convolutions, each with batch normalisation, ReLU and max pooling."""

from torch import Tensor, nn

from training.models.classifier import Classifier


class FashionCNN(Classifier):
    """29,034 parameters and 2.84 million multiply-accumulates with one channel and ten classes."""

    def __init__(self, *, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.input_shape = (channels, 28, 28)
        self.conv1 = nn.Conv2d(channels, 16, kernel_size=5, stride=1, padding=2)
        self.norm1 = nn.BatchNorm2d(16)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(kernel_size=2, stride=2)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=5, stride=1, padding=2)
        self.norm2 = nn.BatchNorm2d(32)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(kernel_size=2, stride=2)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(32 * 7 * 7, classes)

    def features(self, images: Tensor) -> Tensor:
        x = self.relu1(self.norm1(self.conv1(images)))  # (N, 16, 28, 28)
        x = self.pool1(x)  # (N, 16, 14, 14)
        x = self.relu2(self.norm2(self.conv2(x)))  # (N, 32, 14, 14)
        x = self.pool2(x)  # (N, 32, 7, 7)
        embedding: Tensor = self.flatten(x)  # (N, 1568)
        return embedding
