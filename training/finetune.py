"""Transfer learning: weights from elsewhere, a new head trained on the backbone's features, then fine-tuning.

pretrained model → base model (all but its head) → new head on features that are computed once → `training.loop`, which
frees stage after stage from the head down, each slower than the one above it.
"""

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from training.balance import class_weights
from training.config import Augmentation, DataConfig, ModelConfig, Optimization, Optimizer, Recipe, Transfer
from training.data import Images
from training.errors import RecipeInvalid
from training.evaluate import as_tensor, normalise
from training.models import Classifier
from training.weights import Weights, load_backbone

FEATURE_BATCH = 64
HEAD_BATCH = 64
SCRATCH_LEARNING_RATE = 0.02


def finetune_recipe(
    weights: Weights, *, data: DataConfig, classes: int, epochs: int, transfer: Transfer | None = None
) -> Recipe:
    """The defaults for a few hundred to a few thousand pictures; `epochs` of 0 trains the head alone."""
    chosen = transfer or Transfer(source="", sha256="")
    chosen = replace(chosen, source=weights.source, sha256=weights.sha256, convention=weights.convention)
    return Recipe(
        name=f"finetune_{weights.model}",
        model=ModelConfig(name=weights.model, arguments={**weights.arguments, "classes": classes}),
        data=data,
        preprocessing=weights.preprocessing,
        augmentation=Augmentation(flip=True, shift=weights.preprocessing.height // 14),
        optimization=Optimization(
            optimizer=Optimizer.SGD, learning_rate=0.003, weight_decay=1e-4, label_smoothing=0.05, clip_norm=1.0
        ),
        epochs=epochs,
        batch_size=32,
        transfer=chosen,
    )


def scratch_recipe(weights: Weights, *, data: DataConfig, classes: int, epochs: int) -> Recipe:
    """The same model and pictures from fresh weights, which may learn faster than taken-over ones: a comparison."""
    recipe = finetune_recipe(weights, data=data, classes=classes, epochs=epochs)
    optimization = replace(recipe.optimization, learning_rate=SCRATCH_LEARNING_RATE)
    return replace(recipe, name=f"scratch_{weights.model}", optimization=optimization, transfer=None)


def take_over(model: Classifier, weights: Weights) -> None:
    """All but the head. Raises RecipeInvalid for weights that do not fit, and for a model that has no head."""
    if not any(True for _ in model.classifier.parameters()):
        raise RecipeInvalid(f"{weights.model} has no head of its own to train: its last layers are the backbone's")
    load_backbone(model, weights)


def train_head(model: Classifier, images: Images, recipe: Recipe, transfer: Transfer, *, seed: int) -> float:
    """AdamW with half a cosine over `head_epochs`; the backbone is used once for each picture and left as it is.

    Returns the share of training images that the head then knows.
    """
    inputs, labels = features_of(model, images, recipe), torch.from_numpy(images.labels)
    outputs = recipe.model.arguments.get("classes", 0)
    weights = None if recipe.data.balance == "none" else class_weights(labels, outputs)
    head = model.classifier.cpu()
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(head.parameters(), lr=transfer.head_learning_rate, weight_decay=0.01)
    steps = transfer.head_epochs * -(-len(labels) // HEAD_BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    for _ in range(transfer.head_epochs):
        for indices in torch.split(torch.randperm(len(labels), generator=generator), HEAD_BATCH):
            _head_step(head, inputs[indices], labels[indices], optimizer, weights)
            schedule.step()
    with torch.no_grad():
        correct = (head(inputs).argmax(1) == labels).float().mean()
    model.classifier.to(next(model.parameters()).device)
    return float(correct)


def _head_step(
    head: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, optimizer: torch.optim.Optimizer,
    weights: torch.Tensor | None,
) -> None:  # fmt: skip
    optimizer.zero_grad()
    torch.autograd.backward(functional.cross_entropy(head(inputs), labels, weights))
    optimizer.step()


@torch.no_grad()
def features_of(model: Classifier, images: Images, recipe: Recipe) -> torch.Tensor:
    """Embeddings (N, D) on the CPU, with frozen batch statistics."""
    model.eval()
    device = next(model.parameters()).device
    embedded = [
        model.features(normalise(pixels.to(device), recipe.preprocessing)).float().cpu()
        for pixels in torch.split(as_tensor(images.pixels), FEATURE_BATCH)
    ]
    return torch.cat(embedded)
