"""Several processes that train one model, as torchrun starts them; one process alone is a group of one.

Every process holds the data set, draws the same augmentation, goes by the order of the first one and takes its share of
each batch; gradients are summed. So the loss curve is that of one process with the same batch size. (Batch
normalisation sees the share only; on GPUs it is replaced by torch's synchronised one.)
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from training.errors import RecipeInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One process among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """The one that writes files and tells the user."""
        return self.rank == 0

    def share(self, count: int) -> Tensor:
        """Positions in a batch of `count` images that this process computes.

        Where none is left for it, as in a short last batch, the first: every process takes part in every step.
        """
        return torch.arange(self.rank if self.counts(count) else 0, count, self.size)

    def counts(self, count: int) -> float:
        """What the loss of this process's share of a batch of `count` images is multiplied by: 1, or 0 for an image
        that another one computes too.
        """
        return float(self.rank < count)

    def check_batch(self, size: int) -> None:
        """Raises RecipeInvalid for a batch that leaves processes without work in every step."""
        if size < self.size:
            raise RecipeInvalid(f"a batch of {size} images cannot be shared by {self.size} processes")

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """In place, as one message."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        for gradient, summed in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(summed.view_as(gradient))

    def sum(self, value: Tensor) -> Tensor:
        if self.size > 1:
            distributed.all_reduce(value)
        return value

    def share_buffers(self, model: nn.Module) -> None:
        """Batch statistics of the first process for all, so that they evaluate alike."""
        if self.size > 1:
            for buffer in model.buffers():
                distributed.broadcast(buffer, src=0)

    def share_order(self, order: Tensor) -> Tensor:
        """That of the first process for all, in place: from one seed cards of two kinds may draw different ones."""
        if self.size > 1:
            distributed.broadcast(order, src=0)
        return order

    def share_weights(self, model: nn.Module) -> None:
        """Those of the first process for all."""
        if self.size > 1:
            for tensor in model.state_dict().values():
                distributed.broadcast(tensor, src=0)

    def synchronise(self, model: nn.Module) -> None:
        """Batch statistics over the whole batch, where torch can: on GPUs."""
        if self.size > 1 and next(model.parameters()).is_cuda:
            nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]  # so in torch

    def wait(self) -> None:
        if self.size > 1:
            distributed.barrier()


def join(device: torch.device) -> tuple[Group, torch.device]:
    """The group that torchrun's environment describes and this process's device in it."""
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if size == 1:
        return Group(), device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Group(rank=rank, size=size), device


def leave() -> None:
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
