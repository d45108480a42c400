"""Messages of recognition.v1 from the engine's values, and back: pure functions, one for each message."""

from collections.abc import Sequence

from recognition.v1 import recognition_pb2 as pb

from service.api.errors import status_of
from service.engine.answers import Answer, Answers, Embedded
from service.engine.explain import Explanation, Method
from service.engine.postprocess import Classification, Prediction
from service.engine.priority import Priority
from service.engine.time_columns import Column, TimeColumns
from service.engine.times import Times
from service.errors import ArgumentInvalid, ServiceError
from service.models.live_model import LiveModel
from service.models.manifest import Precision
from service.models.registry import Entry, State

DEFAULT_TOP_K = 5

STATES = {
    State.UNLOADED: pb.MODEL_STATE_UNLOADED,
    State.LOADING: pb.MODEL_STATE_LOADING,
    State.READY: pb.MODEL_STATE_READY,
    State.FAILED: pb.MODEL_STATE_FAILED,
    State.DRAINING: pb.MODEL_STATE_DRAINING,
}

PRIORITIES = {
    pb.PRIORITY_UNSPECIFIED: Priority.NORMAL,
    pb.PRIORITY_HIGH: Priority.HIGH,
    pb.PRIORITY_LOW: Priority.LOW,
}

METHODS = {
    Method.CLASS_ACTIVATION: pb.EXPLANATION_METHOD_CLASS_ACTIVATION,
    Method.OCCLUSION: pb.EXPLANATION_METHOD_OCCLUSION,
}


def version_of(selector: pb.ModelSelector) -> int | None:
    return selector.version if selector.WhichOneof("choice") == "version" else None


def alias_of(selector: pb.ModelSelector) -> str | None:
    return selector.alias if selector.WhichOneof("choice") == "alias" else None


def precision_of(selector: pb.ModelSelector) -> Precision | None:
    """None for the one that the server chose. Raises ArgumentInvalid."""
    if not selector.precision:
        return None
    if selector.precision not in set(Precision):
        raise ArgumentInvalid(f"precision must be {', '.join(Precision)}, or left out.", field="model.precision")
    return Precision(selector.precision)


def options_of(options: pb.ClassifyOptions) -> tuple[int, float | None]:
    """(top_k, min_confidence). Raises ArgumentInvalid."""
    if options.top_k < 0:
        raise ArgumentInvalid("top_k must be 0 (the default, 5) or more.", field="options.top_k")
    min_confidence = options.min_confidence if options.HasField("min_confidence") else None
    if min_confidence is not None and not 0.0 <= min_confidence <= 1.0:
        raise ArgumentInvalid("min_confidence must lie in [0, 1].", field="options.min_confidence")
    return options.top_k or DEFAULT_TOP_K, min_confidence


def priority_of(priority: "pb.Priority.ValueType") -> Priority:
    """Raises ArgumentInvalid for a number that stands for none."""
    if priority not in PRIORITIES:
        raise ArgumentInvalid("priority must be PRIORITY_HIGH, PRIORITY_LOW or left out.", field="priority")
    return PRIORITIES[priority]


def prediction_message(prediction: Prediction) -> pb.Prediction:
    return pb.Prediction(index=prediction.index, label=prediction.label, probability=prediction.probability)


def classification_message(classification: Classification) -> pb.Classification:
    return pb.Classification(
        predictions=[prediction_message(prediction) for prediction in classification.predictions],
        unknown=classification.unknown,
    )


def classify_result_message(answer: Answer | ServiceError) -> pb.ClassifyResult:
    if isinstance(answer, ServiceError):
        return pb.ClassifyResult(error=status_of(answer))
    return pb.ClassifyResult(classification=classification_message(answer.classification))


def batch_classify_response(live: LiveModel, answers: Answers) -> pb.BatchClassifyResponse:
    """Each result is filled in its place: one that is built alone and then put into another message is copied."""
    computed, best, labels = answers.computed, answers.ranked, answers.labels
    response = pb.BatchClassifyResponse(model=served_model_message(live), times=stage_times_of(computed.times))
    rows = zip(best.indices.tolist(), best.probabilities.tolist(), best.unknown.tolist(), strict=True)
    for place in range(computed.count):
        result = response.results.add()
        if place in computed.errors:
            result.error.CopyFrom(status_of(computed.errors[place]))
            continue
        indices, probabilities, unknown = next(rows)
        message = result.classification
        message.unknown = unknown
        add = message.predictions.add
        for index, probability in zip(indices, probabilities, strict=True):
            add(index=index, label=labels[index], probability=probability)
    return response


def columns_response(live: LiveModel, answers: Answers) -> pb.BatchClassifyResponse:
    computed, best = answers.computed, answers.ranked
    columns = pb.ClassificationColumns(
        labels_per_image=best.indices.shape[1] if len(computed) else 0,
        indices=best.indices.ravel().tolist(),
        probabilities=best.probabilities.ravel().tolist(),
        unknown=best.unknown.tolist(),
        errors={place: status_of(error) for place, error in computed.errors.items()},
    )
    return pb.BatchClassifyResponse(
        model=served_model_message(live), times=stage_times_of(computed.times), columns=columns
    )


def embed_result_message(embedded: Embedded | ServiceError) -> pb.EmbedResult:
    if isinstance(embedded, ServiceError):
        return pb.EmbedResult(error=status_of(embedded))
    return pb.EmbedResult(embedding=pb.Embedding(values=embedded.vector))


def explain_response(live: LiveModel, explanation: Explanation) -> pb.ExplainResponse:
    rows, columns = explanation.values.shape
    return pb.ExplainResponse(
        overlay_png=explanation.overlay_png,
        values=explanation.values.reshape(-1),
        rows=rows,
        columns=columns,
        prediction=prediction_message(explanation.prediction),
        method=METHODS[explanation.method],
        model=served_model_message(live),
        times=stage_times_message([explanation.times]),
    )


def served_model_message(live: LiveModel) -> pb.ServedModel:
    return pb.ServedModel(
        name=live.manifest.name, version=live.manifest.version, digest=live.digest, precision=live.precision
    )


def stage_times_message(times: Sequence[Times]) -> pb.StageTimes:
    """Work done in worker threads adds up; the queue and the session are waited for side by side."""
    return pb.StageTimes(
        decode_seconds=sum(time.decode for time in times),
        preprocess_seconds=sum(time.preprocess for time in times),
        queue_seconds=max((time.queue for time in times), default=0.0),
        inference_seconds=max((time.inference for time in times), default=0.0),
        postprocess_seconds=sum(time.postprocess for time in times),
        batch_size=max((time.batch_size for time in times), default=0),
    )


def stage_times_of(times: TimeColumns) -> pb.StageTimes:
    """The same of images that went together."""
    return pb.StageTimes(
        decode_seconds=times[Column.DECODE].sum(),
        preprocess_seconds=times[Column.PREPROCESS].sum(),
        queue_seconds=times[Column.QUEUE].max(initial=0.0),
        inference_seconds=times[Column.INFERENCE].max(initial=0.0),
        postprocess_seconds=times[Column.POSTPROCESS].sum(),
        batch_size=int(times[Column.BATCH_SIZE].max(initial=0)),
    )


def model_message(entry: Entry, precision: Precision | None = None) -> pb.Model:
    """Raises PrecisionNotFound where the version answers, but not in this precision."""
    model = pb.Model(
        name=entry.name,
        version=entry.version,
        aliases=entry.aliases,
        state=STATES[entry.state],
        state_reason=entry.reason,
        digest=entry.digest,
    )
    if entry.live is not None:
        _describe(model, entry.live.variant(precision))
        model.precisions.extend(entry.live.precisions)
    return model


def _describe(model: pb.Model, live: LiveModel) -> None:
    manifest = live.manifest
    metrics = manifest.variant(live.precision).metrics
    model.labels.extend(manifest.labels)
    model.family = manifest.family
    model.precision = live.precision
    model.precision_reason = live.precision_reason
    model.provider = live.provider
    model.input_height = manifest.input.height
    model.input_width = manifest.input.width
    model.input_channels = manifest.input.channels
    model.embedding_size = manifest.outputs.embedding_size
    model.parameters = manifest.parameters
    model.accuracy = metrics.accuracy
    model.macro_f1 = metrics.macro_f1
    model.metrics_split = metrics.split
    model.golden_max_abs_difference = live.golden_difference
