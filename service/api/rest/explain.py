"""`:explain` over HTTP: one image and one label in, a heat map out."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from recognition.v1 import recognition_pb2 as pb

from service.api.messages import explain_response
from service.api.recogniser import Recogniser
from service.api.rest.answers import fields_of
from service.api.rest.classify import BODY
from service.api.rest.schemas import Prediction, Schema, ServedModel, StageTimes
from service.api.rest.selection import MODEL, VERSION, Prioritised, Selected
from service.api.rest.uploads import UploadReader
from service.engine.explain import Explanation
from service.models.live_model import LiveModel

METHOD_PREFIX = "EXPLANATION_METHOD_"

Label = Annotated[str, Query(max_length=256, description="The label to explain; left out: the most probable one.")]


class ExplainAnswer(Schema):
    """A heat map: what the answer rests on."""

    overlay_png: str
    """The image as the model saw it with the map laid over it: a PNG file in base64."""
    values: list[float]
    """Row by row from the top left; positive values speak for the label."""
    rows: int
    columns: int
    prediction: Prediction
    method: str
    """CLASS_ACTIVATION or OCCLUSION."""
    model: ServedModel
    times: StageTimes


def add_explain(router: APIRouter, recogniser: Recogniser, uploads: UploadReader) -> None:
    """Adds the calls to a router."""

    @router.post(MODEL + ":explain", openapi_extra=BODY)
    @router.post(VERSION + ":explain", openapi_extra=BODY)
    async def explain(request: Request, selected: Selected, priority: Prioritised, label: Label = "") -> ExplainAnswer:
        """How much each region of the image speaks for a label."""
        live = selected.live(recogniser)
        image = await uploads.image(request)
        explanation = await recogniser.explain(
            live, image, label=label, deadline=recogniser.deadline(), priority=priority
        )
        return explanation_answer(live, explanation)


def explanation_answer(live: LiveModel, explanation: Explanation) -> ExplainAnswer:
    message = explain_response(live, explanation)
    method = pb.ExplanationMethod.Name(message.method).removeprefix(METHOD_PREFIX)
    return ExplainAnswer.model_validate(fields_of(message) | {"method": method})
