"""The stages of a model from the input to the head: what is frozen, and how fast each one learns."""

from dataclasses import dataclass

from torch import nn

from training.config import Transfer
from training.models import Classifier


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a model that is frozen and freed as a whole."""

    name: str
    module: nn.Module


def stages_of(model: Classifier) -> list[Stage]:
    """In order of execution, the head last; long sequences are taken apart. Auxiliary heads count as head."""
    backbone, head = [], []
    for name, child in model.named_children():
        if not any(True for _ in child.parameters()):
            continue
        parts = list(child.named_children()) if isinstance(child, nn.Sequential | nn.ModuleDict) else []
        with_weights = [(part, module) for part, module in parts if any(True for _ in module.parameters())]
        if name in {"classifier", "auxiliary", "auxiliaries"}:
            head.append(Stage(name, child))
        elif len(with_weights) > 1:
            backbone += [Stage(f"{name}.{part}", module) for part, module in with_weights]
        else:
            backbone.append(Stage(name, child))
    return [*backbone, *head]


def frozen_stages(model: Classifier, transfer: Transfer, epoch: int) -> list[Stage]:
    """In epoch 0, 1, … of fine-tuning: freed from the head down, all after `unfreeze_epochs`."""
    backbone = [stage for stage in stages_of(model) if not _is_head(stage)]
    free = len(backbone) if epoch >= transfer.unfreeze_epochs else len(backbone) * (epoch + 1) // (
        transfer.unfreeze_epochs + 1
    )  # fmt: skip
    return backbone[: len(backbone) - free]


def freeze(model: Classifier, frozen: list[Stage]) -> None:
    """Weights stand still, and so do batch statistics: a frozen stage is in evaluation mode, dropout included."""
    for stage in stages_of(model):
        stage.module.requires_grad_(True)
    for stage in frozen:
        stage.module.requires_grad_(False)
        stage.module.eval()


def learning_rate_factors(model: Classifier, transfer: Transfer) -> dict[str, float]:
    """By stage: 1 for the head, `backbone_factor` for the first stage, even ratios between."""
    stages = stages_of(model)
    depth = max(sum(not _is_head(stage) for stage in stages), 1)
    return {
        stage.name: 1.0 if _is_head(stage) else transfer.backbone_factor ** ((depth - index) / depth)
        for index, stage in enumerate(stages)
    }


def _is_head(stage: Stage) -> bool:
    return stage.name in {"classifier", "auxiliary", "auxiliaries"}
