"""A canary and a shadow in the running service (service/models/mirror.py): who answers, and what is compared."""

import asyncio
import json
from pathlib import Path
from typing import Any

from recognition.v1 import recognition_pb2 as pb

from service.models.repository import ALIASES_FILE
from tests.reliability.numbered import publish
from tests.service.in_process import InProcess, serving, until
from tests.service.packages import encode, picture

REQUEST = pb.ClassifyRequest(image=encode(picture(2)))
CALLS = 60


def write_aliases(root: Path, stable: Any) -> None:
    (root / "thirds" / ALIASES_FILE).write_text(json.dumps({"stable": stable}))


async def versions_that_answer(service: InProcess) -> set[int]:
    answers = await asyncio.gather(*(service.stub.Classify(REQUEST) for _ in range(CALLS)))
    return {answer.model.version for answer in answers}


def compared(service: InProcess, role: str, outcome: str) -> float:
    return service.sum("recognition_trial_images_total", role=role, outcome=outcome)


async def test_a_shadow_sees_every_request_and_answers_none(tmp_path: Path) -> None:
    """Agreement, difference in confidence and times of both are told; promotion and rollback fail no request."""
    for version in (1, 8):  # their gains are 10.125 and 11: they agree, the second is surer
        publish(tmp_path, version)
    write_aliases(tmp_path, {"version": 1, "shadow": {"version": 8, "share": 1.0}})
    async with serving(tmp_path) as service:
        assert await versions_that_answer(service) == {1}
        await until(lambda: service.sum("recognition_trial_images_total", role="shadow") == CALLS)
        assert compared(service, "shadow", "differ") == compared(service, "shadow", "failed") == 0
        assert compared(service, "shadow", "agree") > 0
        agreed = compared(service, "shadow", "agree")
        assert service.sum("recognition_trial_confidence_difference_sum", role="shadow") > 0
        for version_is in ("tried", "standing"):
            assert service.sum("recognition_trial_inference_seconds_count", version_is=version_is) == agreed
        assert service.sum("recognition_images_total") == CALLS
        write_aliases(tmp_path, {"version": 8, "previous": 1})
        flowing = asyncio.create_task(versions_that_answer(service))
        await service.server._registry.load("thirds")
        assert await flowing <= {1, 8}
        assert await versions_that_answer(service) == {8}


async def test_a_canary_is_held_against_the_version_that_it_replaces(tmp_path: Path) -> None:
    """Only the requests that it answers are compared."""
    for version in (1, 8):
        publish(tmp_path, version)
    write_aliases(tmp_path, {"version": 1, "canary": {"version": 8, "share": 0.5}})
    async with serving(tmp_path) as service:
        assert await versions_that_answer(service) == {1, 8}
        answered = service.sum("recognition_predictions_total", version="8")
        await until(lambda: service.sum("recognition_trial_images_total", role="canary") == answered)
        assert 0 < answered < CALLS
        assert compared(service, "canary", "agree") > 0
        assert service.sum("recognition_trial_confidence_difference_sum", role="canary") > 0
