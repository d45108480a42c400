"""`:embed` over HTTP: one image as the raw body, or several as the files of a form; a vector for each."""

from fastapi import APIRouter, Request

from service.api.recogniser import Recogniser
from service.api.rest.answers import served_model, stage_times
from service.api.rest.classify import BODY
from service.api.rest.errors import error_of
from service.api.rest.schemas import Error, Schema, ServedModel, StageTimes
from service.api.rest.selection import MODEL, VERSION, Prioritised, Selected
from service.api.rest.uploads import UploadReader
from service.engine.answers import Embedded
from service.errors import ServiceError


class EmbedResult(Schema):
    """The embedding or the error for one image; exactly one of the two is there."""

    name: str
    """The file's name in the form; empty for a raw body."""
    embedding: list[float] | None = None
    error: Error | None = None


class EmbedAnswer(Schema):
    """The embeddings of the images, in their order."""

    results: list[EmbedResult]
    model: ServedModel
    times: StageTimes


def add_embed(router: APIRouter, recogniser: Recogniser, uploads: UploadReader) -> None:
    """Adds the calls to a router."""

    @router.post(MODEL + ":embed", openapi_extra=BODY, response_model_exclude_none=True)
    @router.post(VERSION + ":embed", openapi_extra=BODY, response_model_exclude_none=True)
    async def embed(request: Request, selected: Selected, priority: Prioritised) -> EmbedAnswer:
        """The activations that the model's last layer sees, for each image; a bad one has its own error."""
        live = selected.live(recogniser)
        files = await uploads.files(request)
        results = await recogniser.embed_many(
            live, [file.content for file in files], deadline=recogniser.deadline(), priority=priority
        )
        return EmbedAnswer(
            results=[_result(file.name, result) for file, result in zip(files, results, strict=True)],
            model=served_model(live),
            times=stage_times([result.times for result in results if isinstance(result, Embedded)]),
        )


def _result(name: str, result: Embedded | ServiceError) -> EmbedResult:
    if isinstance(result, ServiceError):
        return EmbedResult(name=name, error=error_of(result))
    return EmbedResult(name=name, embedding=result.vector.tolist())
