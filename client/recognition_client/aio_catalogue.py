"""What a service has and how it is: the part of the asyncio client that sends no images."""

from recognition.v1 import recognition_pb2 as pb

from recognition_client.aio_connection import AioConnection
from recognition_client.errors import ModelNotFound
from recognition_client.models import HealthStatus, ModelInfo, health_status, model_info
from recognition_client.requests import health_request, list_models_request, selector


class AioCatalogue:
    """Asks what there is to ask."""

    def __init__(self, server: AioConnection) -> None:
        self._server = server

    async def list_models(self, *, timeout_seconds: float | None = None) -> list[ModelInfo]:
        """All model versions of the server, ready or not, sorted by name and version."""
        models: list[ModelInfo] = []
        page_token = ""
        while True:
            page = await self._server.call(
                self._server.stub.ListModels, list_models_request(page_token), timeout_seconds
            )
            models += map(model_info, page.models)
            page_token = page.next_page_token
            if not page_token:
                return models

    async def get_model(
        self,
        model: str = "",
        *,
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        timeout_seconds: float | None = None,
    ) -> ModelInfo:
        """The model version that would answer if `classify` were given the same names."""
        request = pb.GetModelRequest(model=selector(model=model, version=version, alias=alias, precision=precision))
        return model_info((await self._server.call(self._server.stub.GetModel, request, timeout_seconds)).model)

    async def health(self, service: str = "", *, timeout_seconds: float | None = None) -> HealthStatus:
        """Whether the server as a whole answers, or the model or gRPC service that is named."""
        try:
            return health_status(
                await self._server.call(self._server.check_health, health_request(service), timeout_seconds)
            )
        except ModelNotFound:
            return HealthStatus.SERVICE_UNKNOWN
