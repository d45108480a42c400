"""What `fit` and `finetune` do with a recipe: train it, alone or as one of several processes, and print the figures."""

from typing import TYPE_CHECKING, Any

from training.options import console_for, report_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.distributed import Group
    from training.fit import Outcome
    from training.progress import FitProgress

    Train = Callable[[Any, Group, FitProgress], Outcome]


def report_training(train: "Train", device: Any, *, as_json: bool) -> None:
    """`train` gets the device of this process, the processes beside it, and whom to tell how it comes along."""
    from training.distributed import join, leave
    from training.progress import FitProgress

    group, own = join(device)
    notes = console_for(stderr=True)
    with FitProgress(notes) as progress:
        outcome = train(own, group, progress)
    leave()
    if not group.is_first:
        return
    if not outcome.trained:
        notes.print(f"{outcome.run.directory} holds this run already; --force trains it anew", soft_wrap=True)
    report_run(outcome.run, as_json=as_json)
