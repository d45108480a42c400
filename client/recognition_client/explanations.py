"""What an answer rests on: the message of recognition.v1 in, a frozen dataclass out."""

from dataclasses import dataclass
from enum import StrEnum

from recognition.v1 import recognition_pb2 as pb

from recognition_client.results import Prediction, ServedModel, StageTimes, predictions, served_model, stage_times


class ExplanationMethod(StrEnum):
    """How a heat map was made."""

    UNSPECIFIED = "UNSPECIFIED"
    CLASS_ACTIVATION = "CLASS_ACTIVATION"
    """Exact, for models whose head is linear on the last feature map."""
    OCCLUSION = "OCCLUSION"
    """By how much the probability falls where a grey patch hides part of the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A heat map for one label; positive values speak for it."""

    values: tuple[tuple[float, ...], ...]
    """Row by row from the top."""
    overlay_png: bytes
    """The image as the model saw it with the map laid over it: a PNG file."""
    prediction: Prediction
    method: ExplanationMethod
    model: ServedModel
    times: StageTimes


_METHODS = {
    pb.EXPLANATION_METHOD_CLASS_ACTIVATION: ExplanationMethod.CLASS_ACTIVATION,
    pb.EXPLANATION_METHOD_OCCLUSION: ExplanationMethod.OCCLUSION,
}


def explanation(response: pb.ExplainResponse) -> Explanation:
    flat, columns = response.values, response.columns
    return Explanation(
        values=tuple(tuple(flat[row * columns : (row + 1) * columns]) for row in range(response.rows)),
        overlay_png=response.overlay_png,
        prediction=predictions([response.prediction])[0],
        method=_METHODS.get(response.method, ExplanationMethod.UNSPECIFIED),
        model=served_model(response.model),
        times=stage_times(response.times),
    )
