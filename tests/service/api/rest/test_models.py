"""The models over HTTP."""

import httpx
from recognition.v1 import recognition_pb2 as pb

from tests.service.in_process import InProcess
from tests.service.packages import LABELS


async def test_models_are_listed(client: httpx.AsyncClient) -> None:
    """With their state and what was measured."""
    (model,) = (await client.get("/v1/models")).json()["models"]
    assert (model["name"], model["version"], model["state"]) == ("thirds", 1, "READY")
    assert model["labels"] == list(LABELS)
    assert model["accuracy"] == 1.0


async def test_one_model_is_what_grpc_says_of_it(open_service: InProcess, client: httpx.AsyncClient) -> None:
    """Field by field, but for the state, whose name is shorter."""
    http = (await client.get("/v1/models/thirds")).json()
    grpc = (await open_service.stub.GetModel(pb.GetModelRequest())).model
    assert set(http) == {field.name for field in pb.Model.DESCRIPTOR.fields}
    for name in set(http) - {"state", "labels", "aliases", "precisions"}:
        assert http[name] == getattr(grpc, name)


async def test_an_unknown_model_is_404(client: httpx.AsyncClient) -> None:
    """With the reason, and the same for a version."""
    for path, reason in (("nope", "MODEL_NOT_FOUND"), ("thirds/versions/9", "VERSION_NOT_FOUND")):
        answer = await client.get(f"/v1/models/{path}")
        assert (answer.status_code, answer.json()["error"]["reason"]) == (404, reason)
