"""The service with a package and plain models, which may be loaded and unloaded by request."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub

from tests.service import plain_models
from tests.service.in_process import InProcess, serving

if TYPE_CHECKING:
    from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceAsyncStub  # only the type stubs have it


@pytest.fixture
async def service(models: Path) -> AsyncIterator[InProcess]:
    """Batches of up to eight."""
    plain_models.write(models, "pair", plain_models.sum_and_difference())
    plain_models.write(models, "half", plain_models.identity("FP16"), labels_txt="a\nb\nc\n")
    async with serving(models, http=True, model_control="explicit") as running:
        yield running


@pytest.fixture
def stub(service: InProcess) -> "GRPCInferenceServiceAsyncStub":
    return GRPCInferenceServiceStub(service.channel)
