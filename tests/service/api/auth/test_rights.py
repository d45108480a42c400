"""What a token allows: its models, its rate, loading and unloading, the metrics; that it is written down nowhere."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import pytest
from recognition.oip import open_inference_pb2 as oip
from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from recognition.v1 import recognition_pb2 as pb

from service.api.auth import token_file
from service.api.auth.tokens import entry
from tests.service.api.auth.keys import ALL, CANARY, SLOW, THIRDS_ONLY, TOKENS, UNKNOWN, bearer, header, write_tokens
from tests.service.api.house import classify
from tests.service.api.refusals import refusal, refusal_of, refused
from tests.service.in_process import InProcess, serving
from tests.service.packages import encode, picture

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMAGE = encode(picture(2))


async def test_a_token_opens_the_models_of_its_list(locked: InProcess) -> None:
    """Others are refused, and the answer does not tell whether there is such a model."""
    answer = await locked.stub.Classify(classify(IMAGE, "thirds"), metadata=bearer(THIRDS_ONLY))
    assert answer.classification.predictions[0].label == "right"
    for name in ("fragile", "nothing-of-that-name"):
        found = await refused(locked.stub.Classify(classify(IMAGE, name), metadata=bearer(THIRDS_ONLY)))
        assert (found.code, found.reason, found.metadata) == ("PERMISSION_DENIED", "NOT_PERMITTED", {"model": name})
    await locked.stub.Classify(classify(IMAGE, "fragile"), metadata=bearer(ALL))


async def test_lists_hold_what_the_token_may_use(locked: InProcess) -> None:
    """Over both protocols; with one model on the list, it need not be named."""
    models = (await locked.stub.ListModels(pb.ListModelsRequest(), metadata=bearer(THIRDS_ONLY))).models
    assert {model.name for model in models} == {"thirds"}
    assert {
        model.name for model in (await locked.stub.ListModels(pb.ListModelsRequest(), metadata=bearer(ALL))).models
    } == {"thirds", "fragile", "wrong"}
    protocol = GRPCInferenceServiceStub(locked.channel)
    index = await protocol.RepositoryIndex(oip.RepositoryIndexRequest(), metadata=bearer(THIRDS_ONLY))
    assert {model.name for model in index.models} == {"thirds"}
    await locked.stub.Classify(pb.ClassifyRequest(image=IMAGE), metadata=bearer(THIRDS_ONLY))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{locked.http_port}") as client:
        listed = (await client.get("/v1/models", headers=header(THIRDS_ONLY))).json()["models"]
        assert {model["name"] for model in listed} == {"thirds"}
        refusal = await client.post("/v1/models/fragile:classify", content=IMAGE, headers=header(THIRDS_ONLY))
        assert (refusal.status_code, refusal.json()["error"]["reason"]) == (403, "NOT_PERMITTED")
        statistics = (await client.get("/v2/models/stats", headers=header(THIRDS_ONLY))).json()["model_stats"]
        assert {model["name"] for model in statistics} == {"thirds"}


async def test_streams_are_asked_for_each_image(locked: InProcess) -> None:
    """A stream cannot change over to a model that its token may not use."""

    async def images() -> AsyncIterator[pb.ClassifyStreamRequest]:
        for name in ("thirds", "fragile"):
            yield pb.ClassifyStreamRequest(id=name, image=IMAGE, model=pb.ModelSelector(name=name))

    call = locked.stub.ClassifyStream(images(), metadata=bearer(THIRDS_ONLY))
    results = {answer.id: answer.result async for answer in call}
    assert results["thirds"].classification.predictions[0].label == "right"
    assert refusal_of(results["fragile"].error).reason == "NOT_PERMITTED"


async def test_only_some_tokens_control_models_and_read_metrics(locked: InProcess) -> None:
    """Two rights that must be given, besides the model's."""
    protocol = GRPCInferenceServiceStub(locked.channel)
    unload = oip.RepositoryModelUnloadRequest(model_name="thirds")
    assert (await refused(protocol.RepositoryModelUnload(unload, metadata=bearer(THIRDS_ONLY)))).reason == (
        "NOT_PERMITTED"
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{locked.metrics_port}") as client:
        assert (await client.get("/metrics", headers=header(THIRDS_ONLY))).status_code == 403


async def test_a_token_is_held_to_its_rate(models: Path, tokens: Path) -> None:
    """Two of ten at once, the rest RATE_EXCEEDED with the time to wait; others are not held back."""
    async with serving(models, tokens=tokens) as service:
        calls = [service.stub.Classify(classify(IMAGE), metadata=bearer(SLOW)) for _ in range(10)]
        ends = await asyncio.gather(*calls, return_exceptions=True)
        refusals = [end for end in ends if isinstance(end, grpc.aio.AioRpcError)]
        assert 1 <= len(refusals) <= 8
        found = refusal(refusals[-1])
        assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "RATE_EXCEEDED")
        assert found.retry_seconds is not None
        assert 0 < found.retry_seconds <= 0.5
        await service.stub.Classify(classify(IMAGE), metadata=bearer(ALL))
        await asyncio.sleep(found.retry_seconds + 0.01)
        await service.stub.Classify(classify(IMAGE), metadata=bearer(SLOW))
        assert service.sum("recognition_rejected_total", reason="RATE_EXCEEDED") == len(refusals)


async def test_a_fast_stream_is_held_back_and_not_refused(models: Path, tokens: Path) -> None:
    """Four images at two a second take at least a second."""
    async with serving(models, tokens=tokens) as service:
        requests = [pb.ClassifyStreamRequest(id=str(number), image=IMAGE) for number in range(4)]
        began = asyncio.get_running_loop().time()
        answers = [answer.id async for answer in service.stub.ClassifyStream(iter(requests), metadata=bearer(SLOW))]
        assert sorted(answers) == ["0", "1", "2", "3"]
        assert asyncio.get_running_loop().time() - began > 0.9


async def test_tokens_come_and_go_without_a_restart(
    models: Path, tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that cannot be used changes nothing."""
    monkeypatch.setattr(token_file, "LOOK_SECONDS", 0.0)
    async with serving(models, tokens=tokens) as service:

        async def ask(token: str) -> None:
            await service.stub.Classify(classify(IMAGE), metadata=bearer(token))

        assert (await refused(ask(UNKNOWN))).reason == "TOKEN_INVALID"
        write_tokens(tokens, {ALL: TOKENS[ALL], UNKNOWN: {"name": "new", "models": ["*"]}})
        await ask(UNKNOWN)
        assert (await refused(ask(THIRDS_ONLY))).reason == "TOKEN_INVALID"
        tokens.write_text("[[token]]\nname = 3\n")  # noqa: ASYNC240 - small and local
        await ask(UNKNOWN)
        tokens.unlink()  # noqa: ASYNC240
        await ask(UNKNOWN)
        assert len(service.events("tokens not reloaded")) >= 2


async def test_a_browser_sends_the_token_as_a_password(locked: InProcess) -> None:
    """For what its own page asks; what another site makes it send is refused."""
    password = base64.b64encode(f"anything:{ALL}".encode()).decode()
    basic = {"Authorization": f"Basic {password}"}
    base = f"http://127.0.0.1:{locked.http_port}"
    async with httpx.AsyncClient(base_url=base) as client:
        page = await client.get("/", headers=basic | {"Sec-Fetch-Site": "none"})
        assert page.status_code == 200
        path = "/v1/models/thirds:classify"
        same = {"Origin": base, "Sec-Fetch-Site": "same-origin"}
        assert (await client.post(path, content=IMAGE, headers=basic | same)).status_code == 200
        for other in ({"Origin": "https://other.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await client.post(path, content=IMAGE, headers=basic | other)).status_code == 401
        wrong = base64.b64encode(f"anything:{UNKNOWN}".encode()).decode()
        assert (await client.get("/", headers={"Authorization": f"Basic {wrong}"})).status_code == 401


async def test_tokens_are_written_down_nowhere(models: Path, tokens: Path) -> None:
    """Good, bad and malformed ones, over every door: not in the log, the errors, the traces or the metrics."""
    said: list[str] = []
    async with serving(models, tokens=tokens, http=True, log_level="debug") as service:
        for token in (ALL, THIRDS_ONLY, UNKNOWN, f"{ALL} {ALL}"):
            for image in (IMAGE, b"no image"):
                try:
                    said.append(str(await service.stub.Classify(classify(image, "fragile"), metadata=bearer(token))))
                except grpc.aio.AioRpcError as error:
                    said.append(repr(error) + repr(error.trailing_metadata()))
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client:
                for path in ("/v1/models", "/v2/models/thirds", f"/{token}", f"/v1/models/x?token={token}"):
                    answer = await client.get(path, headers=header(token))
                    said.append(answer.text + str(answer.headers))
        metrics = str([sample for family in service.metrics.collect() for sample in family.samples])
        log = json.dumps(service.log, default=repr)
    assert CANARY not in metrics
    assert CANARY not in log
    assert [words for words in said if CANARY in words] == []


async def test_an_entry_holds_the_hash_only() -> None:
    """Who reads the file cannot call with what it says."""
    assert CANARY not in entry(ALL, "everything", models=["*"])
