"""An open-loop load: calls begin when their time has come, whether earlier ones were answered or not."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import numpy as np
from recognition.v1 import recognition_pb2 as pb
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub

from tests.reliability.numbered import picture_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one call ended."""

    began: float
    seconds: float
    code: str
    response: pb.ClassifyResponse | None = None
    number: int = 0


def seconds_of(outcomes: Sequence[Outcome], *, percentile: float) -> float:
    """NaN where there is none."""
    return float(np.percentile([one.seconds for one in outcomes], percentile)) if outcomes else float("nan")


def codes_of(outcomes: Sequence[Outcome]) -> Counter[str]:
    return Counter(one.code for one in outcomes)


@asynccontextmanager
async def channel_to(target: str) -> AsyncIterator[grpc.aio.Channel]:
    """A connection of its own."""
    async with grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield channel


async def classify(channel: grpc.aio.Channel, number: int, *, within: float = 60.0) -> Outcome:
    """One call with a numbered picture; never raises."""
    began = time.monotonic()
    request = pb.ClassifyRequest(image=picture_of(number), options=pb.ClassifyOptions(top_k=3))
    response, code = None, "OK"
    try:
        response = await RecognitionServiceStub(channel).Classify(request, timeout=within)
    except grpc.aio.AioRpcError as error:
        code = error.code().name
    return Outcome(began=began, seconds=time.monotonic() - began, code=code, response=response, number=number)


async def at_rate(call: Callable[[int], Awaitable[Outcome]], *, rate: float, seconds: float) -> list[Outcome]:
    """So many calls a second, for so long; gives them all when the last has ended."""
    began = time.monotonic()
    tasks: list[asyncio.Future[Outcome]] = []
    for number in range(int(rate * seconds)):
        if (wait := began + number / rate - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.ensure_future(call(number)))
    return list(await asyncio.gather(*tasks))


async def closed_loop(
    call: Callable[[int], Awaitable[Outcome]], *, callers: int, until: Callable[[int], bool]
) -> list[Outcome]:
    """Callers that each ask again when they are answered, until `until` (given the calls so far) holds."""
    outcomes: list[Outcome] = []
    count = 0

    async def flow() -> None:
        nonlocal count
        while not until(count):
            count += 1
            outcomes.append(await call(count))

    await asyncio.gather(*(flow() for _ in range(callers)))
    return outcomes
