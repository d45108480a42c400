"""The shape that every model of the registry has: images → embedding → logits."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Classifier(nn.Module, ABC):
    """A backbone and a head. The export takes both outputs, so no subclass may compute logits past the embedding."""

    input_shape: tuple[int, int, int]
    """Channels, height and width that the model was drawn for."""

    classifier: nn.Module
    """The head: embedding (N, D) → logits (N, classes)."""

    auxiliary_weight: float = 0.0
    """What the loss of each auxiliary head counts for in training."""

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Normalised images (N, C, H, W) → embedding (N, D)."""

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images))
        return logits

    def with_auxiliaries(self, images: Tensor) -> tuple[Tensor, ...]:
        """For training: the logits, and those of the auxiliary heads of models that have some."""
        return (self(images),)
