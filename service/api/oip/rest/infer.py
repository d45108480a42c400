"""`/v2/models/{model}/infer`: tensors in, tensors out, as JSON or as JSON followed by bytes."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from service.api.oip.inference import Inference
from service.api.oip.rest.compression import deflated
from service.api.oip.rest.messages import RestRequest, answer_body, rest_request_of
from service.api.oip.rest.schemas import InferAnswerBody, InferBody, inlined_schema
from service.api.oip.rest.selection import MODEL, VERSION, Selected, Selection
from service.api.rest.uploads import UploadReader
from service.errors import ArgumentInvalid

JSON_BYTES = "Inference-Header-Content-Length"
BINARY = "application/octet-stream"
BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "JSON; or JSON followed by tensors as bytes; or, with the header 0, nothing but the one input, "
        "for example an image file.",
        "content": {"application/json": {"schema": inlined_schema(InferBody)}, BINARY: BYTES},
    }
}
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"model": InferAnswerBody, "description": "The wanted tensors", "content": {BINARY: BYTES}}
}

JsonBytes = Annotated[
    str | None,
    Header(alias=JSON_BYTES, description="How many bytes of the body are JSON; left out: all of them. 0: none."),
]


def add_infer(router: APIRouter, inference: Inference, uploads: UploadReader) -> None:
    """Adds the call to a router."""

    @router.post(MODEL + "/infer", openapi_extra=BODY, responses=ANSWER)
    @router.post(VERSION + "/infer", openapi_extra=BODY, responses=ANSWER)
    async def infer(request: Request, selected: Selected, json_bytes: JsonBytes = None) -> Response:
        """Has the model computed for one request."""
        body = await uploads.body(request)
        asked = _request_of(inference, selected, body, json_bytes)
        content, head = answer_body(await inference.infer(asked.request), asked)
        content, headers = await deflated(content, request.headers.get("accept-encoding", ""))
        if head is None:
            return Response(content, headers=dict(headers), media_type="application/json")
        return Response(content, headers={JSON_BYTES: str(head), **headers}, media_type=BINARY)


def _request_of(inference: Inference, selected: Selection, body: bytes, json_bytes: str | None) -> RestRequest:
    """With a header of 0 every output comes back as bytes."""
    if json_bytes is None:
        return rest_request_of(body, len(body), model=selected.name, version=selected.version)
    if not (json_bytes.isascii() and json_bytes.isdecimal()) or len(json_bytes) > 12 or int(json_bytes) > len(body):
        raise ArgumentInvalid(f"{JSON_BYTES} must be the number of bytes of the JSON in the body", field="body")
    if int(json_bytes) > 0:
        return rest_request_of(body, int(json_bytes), model=selected.name, version=selected.version)
    request = inference.request_of_one_body(selected.name, selected.version, body)
    return RestRequest(request=request, binary={}, all_binary=True)
