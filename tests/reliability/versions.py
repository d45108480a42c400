"""New versions that come while a service answers, and what its answers say of the versions that gave them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
from recognition.v1 import recognition_pb2 as pb
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub

from service.models.repository import ModelRepository
from tests.reliability.load import Outcome
from tests.reliability.numbered import NAME, gain_of, probabilities_of, publish

CLOSE = 2e-5
SWAP_SECONDS = 60.0


@dataclass(slots=True, kw_only=True)
class Versions:
    """The versions of a repository: their digests, and since when no older one may answer."""

    root: Path
    digests: dict[int, str] = field(default_factory=dict)
    since: dict[int, float] = field(default_factory=dict)

    def newest(self) -> int:
        return ModelRepository(self.root).versions(NAME)[-1]

    def know(self) -> None:
        """Reads the digests of what is there."""
        repository = ModelRepository(self.root)
        for version in repository.versions(NAME):
            self.digests.setdefault(version, repository.open(NAME, version).digest)

    async def swap(self, channel: grpc.aio.Channel) -> None:
        """Publishes one more version and waits until it answers and the one before it is released."""
        version = self.newest() + 1
        self.digests[version] = await asyncio.to_thread(publish, self.root, version)
        end = time.monotonic() + SWAP_SECONDS
        while {READY, version} - await self._states(channel, version):
            assert time.monotonic() < end, f"version {version} was not taken up"
            await asyncio.sleep(0.02)
        self.since[version] = time.monotonic()

    async def _states(self, channel: grpc.aio.Channel, version: int) -> set[object]:
        """READY and the version itself, when it is the only one that is ready."""
        models = (await RecognitionServiceStub(channel).ListModels(pb.ListModelsRequest(), timeout=60)).models
        ready = {model.version for model in models if model.state in {pb.MODEL_STATE_READY, pb.MODEL_STATE_LOADING}}
        return {READY, version} if ready == {version} else set()

    def check(self, outcomes: Sequence[Outcome]) -> None:
        """Every answer carries one digest, that version's own scores, and none is from a version that was released."""
        for outcome in outcomes:
            if outcome.response is None:
                continue
            model = outcome.response.model
            assert model.digest == self.digests[model.version]
            expected = probabilities_of(outcome.number, gain=gain_of(model.version))
            found = np.zeros(3)
            for prediction in outcome.response.classification.predictions:
                found[prediction.index] = prediction.probability
            assert np.abs(found - expected).max() < CLOSE, f"version {model.version}, number {outcome.number}"
            released = [version for version, since in self.since.items() if since < outcome.began]
            assert model.version >= max(released, default=0)


READY = "ready"
