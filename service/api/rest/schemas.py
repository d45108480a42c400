"""The JSON answers of the HTTP door; field names and meanings are those of recognition.proto."""

from pydantic import BaseModel, ConfigDict, Field


class Schema(BaseModel):
    """What all answers have in common."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Error(Schema):
    """Why there is no answer."""

    code: str
    """Name of the gRPC code, such as INVALID_ARGUMENT."""
    reason: str
    """Stable and meant for programs, such as IMAGE_UNREADABLE."""
    message: str
    """One sentence to act on."""
    details: dict[str, str] = Field(default_factory=dict)
    """Facts about it, such as the field at fault or the limit that was passed."""
    retry_after_seconds: float | None = None
    """When it makes sense to ask again, where that is known."""


class ErrorAnswer(Schema):
    """What every failed call answers."""

    error: Error


class Prediction(Schema):
    """One label with its calibrated probability."""

    index: int
    """Position in the model's labels, from 0."""
    label: str
    probability: float = Field(ge=0.0, le=1.0)


class Classification(Schema):
    """Ranked labels, best first."""

    predictions: list[Prediction]
    unknown: bool
    """Whether the best probability is below the threshold in force."""


class ServedModel(Schema):
    """The version that answered."""

    name: str
    version: int
    digest: str
    """SHA-256 of its manifest."""
    precision: str
    """fp32, fp16 or int8."""


class StageTimes(Schema):
    """Seconds in each stage; for several images decode, preprocess and postprocess are sums, the others the slowest."""

    decode_seconds: float
    preprocess_seconds: float
    queue_seconds: float
    inference_seconds: float
    postprocess_seconds: float
    batch_size: int
    """Images in the batch that this one travelled in."""


class ClassifyAnswer(Schema):
    """The labels of one image, sent as the raw body."""

    classification: Classification
    model: ServedModel
    times: StageTimes


class FileResult(Schema):
    """The answer or the error for one file of a form; exactly one of the two is there."""

    name: str
    """The file's name in the form."""
    classification: Classification | None = None
    error: Error | None = None


class BatchClassifyAnswer(Schema):
    """The labels of the files of a form, in their order."""

    results: list[FileResult]
    model: ServedModel
    times: StageTimes


class Model(Schema):
    """One version of one model."""

    name: str
    version: int
    aliases: list[str]
    state: str
    """LOADING, READY, FAILED, DRAINING or UNLOADED."""
    state_reason: str
    digest: str
    labels: list[str]
    family: str
    precision: str
    """Which variant answers where a request names none; in the answer to a request that names one, that one."""
    precisions: list[str]
    """Those that a request may name."""
    precision_reason: str
    """Why this precision answers."""
    provider: str
    input_height: int
    input_width: int
    input_channels: int
    embedding_size: int
    parameters: int
    accuracy: float
    macro_f1: float
    metrics_split: str
    golden_max_abs_difference: float


class ModelsAnswer(Schema):
    """Every version of the repository, sorted by name and version."""

    models: list[Model]


class Readiness(Schema):
    """Whether the server answers."""

    status: str
