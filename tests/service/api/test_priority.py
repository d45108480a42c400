"""Priorities from the doors to the queue: whoever is more urgent is answered first, whatever door it came through."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from recognition.oip import open_inference_pb2
from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from recognition.v1 import recognition_pb2 as pb

from service.engine import batch_queue
from service.engine.batch_report import answer
from service.engine.priority import Priority
from service.engine.scheduler import Scheduler
from tests.service.in_process import InProcess, held, serving, until, until_at_work
from tests.service.packages import PackageRecipe, encode, picture

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceAsyncStub  # only the type stubs have it


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Priority]:
    """The priorities with which images come to any queue from now on."""
    priorities: list[Priority] = []
    push = Scheduler.push

    def noting(self: Scheduler[Any], item: Any) -> None:
        priorities.extend([item.priority] * item.rows)
        push(self, item)

    monkeypatch.setattr(Scheduler, "push", noting)
    return priorities


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Priority]:
    """The priorities of images in the order in which they are answered from now on."""
    priorities: list[Priority] = []

    def noting(items: list[Any], results: Any, batch: Any, closed: Any) -> Any:
        priorities.extend(item.priority for item in items)
        return answer(items, results, batch, closed)

    monkeypatch.setattr(batch_queue, "answer", noting)
    return priorities


async def test_urgent_images_overtake(tmp_path: Path, computed: list[Priority]) -> None:
    """While one is computed, three come: they are computed by priority and not in the order of their arrival, although
    the first of them is with the session's thread already.
    """
    PackageRecipe().write(tmp_path)

    async def ask(service: InProcess, priority: pb.Priority.ValueType) -> None:
        await service.stub.Classify(pb.ClassifyRequest(image=encode(picture(0)), priority=priority))

    async with serving(tmp_path, max_batch_size=1) as service:
        live, running = service.live(), service.live().batcher._queue._running
        computed.clear()
        with held(live):
            tasks = [asyncio.create_task(ask(service, pb.PRIORITY_UNSPECIFIED))]
            await until_at_work(live)
            for place, priority in enumerate((pb.PRIORITY_LOW, pb.PRIORITY_UNSPECIFIED, pb.PRIORITY_HIGH)):
                tasks.append(asyncio.create_task(ask(service, priority)))
                await until(lambda: live.batcher.waiting + len(running) == place + 2)  # noqa: B023 - awaited at once
        await asyncio.gather(*tasks)
    assert computed == [Priority.NORMAL, Priority.HIGH, Priority.NORMAL, Priority.LOW]


async def test_every_door_hands_the_priority_on(tmp_path: Path, seen: list[Priority]) -> None:
    """Of one image, of several, of a stream, of embeddings and heat maps, over gRPC and over HTTP."""
    PackageRecipe().write(tmp_path)
    image = encode(picture(0))
    async with (
        serving(tmp_path, http=True) as service,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}", timeout=60.0) as http,
    ):
        stub, low = service.stub, pb.PRIORITY_LOW
        requests = [pb.ClassifyStreamRequest(id=str(place), image=image) for place in range(2)]
        requests[0].priority = low
        stream = stub.ClassifyStream(iter(requests))
        calls: list[Awaitable[Any]] = [
            stub.Classify(pb.ClassifyRequest(image=image, priority=low)),
            stub.BatchClassify(pb.BatchClassifyRequest(images=[image] * 2, priority=low)),
            stub.Embed(pb.EmbedRequest(images=[image], priority=low)),
            http.post("/v1/models/thirds:classify?priority=low", content=image),
            http.post("/v1/models/thirds:classify?priority=low", files={"a": ("a.png", image)}),
            http.post("/v1/models/thirds:embed?priority=low", content=image),
        ]
        for call in calls:
            await call
        assert {answer.id async for answer in stream} == {"0", "1"}
        assert seen == [Priority.LOW] * 9
        seen.clear()
        await stub.Explain(pb.ExplainRequest(image=image, priority=low))
        await http.post("/v1/models/thirds:explain?priority=low", content=image)
        assert set(seen) == {Priority.LOW}


@pytest.mark.parametrize(
    ("number", "priority"),
    [(0, Priority.NORMAL), (1, Priority.HIGH), (2, Priority.NORMAL), (3, Priority.LOW), (2**40, Priority.LOW)],
)
async def test_the_open_inference_protocol_counts_from_one(
    tmp_path: Path, seen: list[Priority], number: int, priority: Priority
) -> None:
    """1 is the most urgent; 0 is what the model has by default."""
    PackageRecipe().write(tmp_path)
    tensor = open_inference_pb2.ModelInferRequest.InferInputTensor(name="image", datatype="UINT8", shape=[1, 8, 12, 1])
    request = open_inference_pb2.ModelInferRequest(
        model_name="thirds", inputs=[tensor], raw_input_contents=[picture(0).tobytes()]
    )
    request.parameters["priority"].int64_param = number
    async with serving(tmp_path, http=True) as service:
        stub: GRPCInferenceServiceAsyncStub = GRPCInferenceServiceStub(service.channel)
        await stub.ModelInfer(request)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}", timeout=60.0) as http:
            body = {"inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 8, 12, 1], "data": [0] * 96}]}
            answer = await http.post("/v2/models/thirds/infer", json=body | {"parameters": {"priority": number}})
            assert answer.status_code == 200
    assert seen == [priority] * 2
