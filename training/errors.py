"""What can go wrong on the way recipe → data → model → epochs → run directory, as sentences that name what to do next.

    recipe  -- RecipeInvalid   unknown name, a value that cannot work
    data    -- DataMissing     none of the known places has the data set
            -- DataDamaged     a file is unreadable, or not the one that was asked for
    device  -- DeviceMissing   a GPU was asked for and there is none
            -- PackageMissing  an optional package was asked for and is not installed
    epochs  -- TrainingFailed  the loss is not a number
            -- RunInterrupted  a signal came; what was reached is saved
    run     -- RunUnreadable   missing, unfinished or damaged
            -- RunConflict     the directory holds another run, or another process is training there

Wrong use (RecipeInvalid, RunConflict) ends a command with exit code 2, a signal with 128 and its number, everything
else with 1.
"""


class TrainingError(Exception):
    """An expected failure; its text is shown to the user as it is."""

    exit_code = 1


class RecipeInvalid(TrainingError):
    exit_code = 2


class DataMissing(TrainingError):
    pass


class DataDamaged(TrainingError):
    pass


class DeviceMissing(TrainingError):
    pass


class PackageMissing(TrainingError):
    pass


class TrainingFailed(TrainingError):
    pass


class RunInterrupted(TrainingError):
    def __init__(self, text: str, *, signal_number: int) -> None:
        super().__init__(text)
        self.exit_code = 128 + signal_number


class RunUnreadable(TrainingError):
    pass


class RunConflict(TrainingError):
    exit_code = 2
