"""The probes."""

from pathlib import Path

import httpx

from tests.service.in_process import built, serving


async def test_ready_while_it_serves(client: httpx.AsyncClient) -> None:
    """Both probes say 200, and neither is counted as a call."""
    assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/readyz")).json() == {"status": "SERVING"}


async def test_not_ready_before_the_models_are_there_and_after_the_shutdown_began(models: Path) -> None:
    """While /livez says 200 all the time."""
    async with (
        built(models, http=True) as service,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client,
    ):
        await service.server._http.start()
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
        refused = await client.post("/v1/models/thirds:classify", content=b"")
        assert refused.status_code in {404, 503}
        await service.server._http.stop_api()
        await service.server._grpc_server.stop(None)
    async with (
        serving(models, http=True) as service,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client,
    ):
        await service.server._health.announce_shutdown()
        assert (await client.get("/readyz")).json() == {"status": "NOT_SERVING"}
        assert (await client.get("/livez")).status_code == 200
