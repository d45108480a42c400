"""What can go wrong on the way run → graph → proof → package → repository, as sentences that name what to do next.

    name        -- NameInvalid          a package cannot be called that
    graph       -- GraphUnsupported     the model cannot be expressed in ONNX, or is none that can be imported
    command     -- CommandUnknown       neither a command nor the directory of a run
    import      -- ImportMisused        an option is missing, or says what no importer knows
                -- ImportInvalid        labels, preprocessing or images do not go with the model
    quantise    -- WorkspaceUnusable    there is no room for the files that int8 is made in
    verify      -- DifferenceTooLarge   the graph does not compute what torch computes
    measure     -- SkewTooLarge         the service's way to the logits loses accuracy
    sign        -- KeyInvalid           a signing key cannot be read or made
    destination -- DestinationUnknown   --to names a URL that cannot be followed
    diff        -- DataUnusable         the data are not those that the versions were trained on
    rollout     -- TrialPointless       a version would be tried beside itself
    versions    -- VersionMissing       no such model or version in the repository
    publish     -- PublicationFailed    the repository cannot be written, or the package fails the service's own proof

The run and its data raise training.errors. Wrong use ends a command with exit code 2, everything else with 1.
"""


class ExportError(Exception):
    """An expected failure; its text is shown to the user as it is."""

    exit_code = 1


class CommandUnknown(ExportError):
    exit_code = 2


class NameInvalid(ExportError):
    exit_code = 2


class GraphUnsupported(ExportError):
    pass


class ImportInvalid(ExportError):
    pass


class ImportMisused(ExportError):
    exit_code = 2


class DifferenceTooLarge(ExportError):
    pass


class WorkspaceUnusable(ExportError):
    pass


class KeyInvalid(ExportError):
    pass


class DestinationUnknown(ExportError):
    exit_code = 2


class DataUnusable(ExportError):
    pass


class TrialPointless(ExportError):
    pass


class VersionMissing(ExportError):
    pass


class SkewTooLarge(ExportError):
    pass


class PublicationFailed(ExportError):
    pass
