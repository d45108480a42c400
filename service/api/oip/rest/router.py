"""Every path of the Open Inference Protocol over HTTP as one router."""

from fastapi import APIRouter

from service.api.calls import Calls
from service.api.oip.core import OpenInference
from service.api.oip.rest.control import add_control, add_refusals
from service.api.oip.rest.description import add_description, health_router
from service.api.oip.rest.infer import add_infer
from service.api.oip.rest.routes import open_inference_calls
from service.api.rest.uploads import UploadReader


def open_inference_router(core: OpenInference, *, calls: Calls, uploads: UploadReader) -> APIRouter:
    """Its errors are its own: `{"error": "..."}`, with the statuses of the protocol."""
    router = open_inference_calls(calls)
    add_description(router, core.description)
    add_infer(router, core.inference, uploads)
    add_control(router, core.control, uploads)
    add_refusals(router)
    router.include_router(health_router(core.description))
    return router
