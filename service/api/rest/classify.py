"""`:classify` over HTTP: one image as the raw body, or several as the files of a form."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from service.api.messages import DEFAULT_TOP_K
from service.api.recogniser import Recogniser
from service.api.rest.answers import batch_classify_answer, classify_answer
from service.api.rest.schemas import BatchClassifyAnswer, ClassifyAnswer
from service.api.rest.selection import MODEL, VERSION, Prioritised, Selected
from service.api.rest.uploads import UploadReader, is_form

IMAGE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
FORM: dict[str, Any] = {
    "schema": {
        "type": "object",
        "required": ["images"],
        "properties": {"images": {"type": "array", "minItems": 1, "items": IMAGE["schema"]}},
    }
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "An image file as it is (JPEG, PNG, WebP, GIF or BMP), or a form with several.",
        "content": {"application/octet-stream": IMAGE, "image/*": IMAGE, "multipart/form-data": FORM},
    }
}
"""The OpenAPI description of the body: FastAPI cannot see it, since it is read as a stream."""

TopK = Annotated[int, Query(ge=1, le=2**31 - 1, description="How many labels, best first.")]
MinConfidence = Annotated[
    float | None,
    Query(ge=0.0, le=1.0, allow_inf_nan=False, description="Below this probability the answer is marked unknown."),
]


def add_classify(router: APIRouter, recogniser: Recogniser, uploads: UploadReader) -> None:
    """Adds the calls to a router."""

    @router.post(MODEL + ":classify", openapi_extra=BODY, response_model_exclude_none=True)
    @router.post(VERSION + ":classify", openapi_extra=BODY, response_model_exclude_none=True)
    async def classify(
        request: Request,
        selected: Selected,
        priority: Prioritised,
        top_k: TopK = DEFAULT_TOP_K,
        min_confidence: MinConfidence = None,
    ) -> ClassifyAnswer | BatchClassifyAnswer:
        """Labels one image, or each file of a form: a bad file has its own error and never harms its neighbours."""
        live = selected.live(recogniser)
        if not is_form(request):
            image = await uploads.image(request)
            answer = await recogniser.classify(
                live,
                image,
                top_k=top_k,
                min_confidence=min_confidence,
                deadline=recogniser.deadline(),
                priority=priority,
            )
            return classify_answer(live, answer)
        files = await uploads.files(request)
        answers = await recogniser.classify_each(
            live,
            [file.content for file in files],
            top_k=top_k,
            min_confidence=min_confidence,
            deadline=recogniser.deadline(),
            priority=priority,
        )
        return batch_classify_answer(live, [file.name for file in files], answers)
