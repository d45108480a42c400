"""What can stop a batch job, and where on the way. Single images never do: their rows say what is wrong with them.

    source ──▶ plan ──▶ lock ──▶ engine ──▶ shards ──▶ summary
      │         │        │         │          └ OutputFailed (disk full, storage away)
      │         │        │         └ ModelRefused, EngineFailed
      │         │        └ OutputBusy
      │         └ PlanChanged
      └ SourceInvalid, SourceChanged

Each text is one sentence that says what to do next; finished shards are kept whatever happens.
"""


class BatchError(Exception):
    """The job cannot go on. The command prints the text and ends with exit code 1."""


class SourceInvalid(BatchError):
    """There is nothing at the source, it cannot be read as what it seems to be, or an id occurs twice."""


class SourceChanged(BatchError):
    """An image that was listed is not there any more, or is another one."""


class PlanChanged(BatchError):
    """The output was begun with another model, setting or source."""


class OutputBusy(BatchError):
    """Another job writes to the same output."""


class OutputFailed(BatchError):
    """The output cannot be written: disk full, no rights, storage away."""


class ModelRefused(BatchError):
    """There is no such model, or it does not give what its package promises."""


class EngineFailed(BatchError):
    """The engine is gone: a worker died, the server is away for too long, the model could not be run."""
