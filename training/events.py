"""The figures of each epoch for TensorBoard, as event files in the run directory (extra `tensorboard`)."""

from collections.abc import Mapping
from pathlib import Path

from training.checkpoint import EVENTS_DIRECTORY
from training.errors import PackageMissing


class Events:
    """Writes one point for each figure of an epoch; those of earlier processes from `first_epoch` on count no more.

    Raises PackageMissing without the package tensorboard.
    """

    def __init__(self, output: Path, *, first_epoch: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise PackageMissing(
                "--tensorboard needs the package tensorboard: pip install 'recognition[training,tensorboard]', "
                "or leave the option out; metrics.jsonl holds the same figures"
            ) from None
        self._writer = SummaryWriter(str(output / EVENTS_DIRECTORY), purge_step=first_epoch)

    def write(self, line: Mapping[str, float]) -> None:
        """`line` is that of metrics.jsonl; whatever is measured on the validation split is shown together."""
        epoch = int(line["epoch"])
        for name, value in line.items():
            if name != "epoch":
                group, _, rest = name.partition("_") if name.startswith("validation_") else ("training", "", name)
                self._writer.add_scalar(f"{group}/{rest}", value, epoch)
        self._writer.flush()
