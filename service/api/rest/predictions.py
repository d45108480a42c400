"""`/predictions/{model}[/{version}]` as TorchServe's image classifier answered it: labels with their probabilities."""

from fastapi import APIRouter, Request

from service.api.messages import DEFAULT_TOP_K
from service.api.recogniser import Recogniser
from service.api.rest.classify import BODY
from service.api.rest.selection import Selected
from service.api.rest.uploads import UploadReader

MODEL = "/predictions/{model}"
VERSION = "/predictions/{model}/{version}"


def add_predictions(router: APIRouter, recogniser: Recogniser, uploads: UploadReader) -> None:
    """Adds the calls to a router. As in TorchServe, PUT is taken as well as POST, and there are five labels."""

    @router.post(MODEL, openapi_extra=BODY)
    @router.post(VERSION, openapi_extra=BODY)
    @router.put(MODEL, openapi_extra=BODY)
    @router.put(VERSION, openapi_extra=BODY)
    async def predict(request: Request, selected: Selected) -> dict[str, float]:
        """The five best labels of one image, best first."""
        live = selected.live(recogniser)
        image = await uploads.image(request)
        answer = await recogniser.classify(live, image, top_k=DEFAULT_TOP_K, deadline=recogniser.deadline())
        return {prediction.label: prediction.probability for prediction in answer.classification.predictions}
