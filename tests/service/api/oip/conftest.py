"""The service with a package and plain models, which may be loaded and unloaded by request."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio
from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub

from tests.service import plain_models
from tests.service.in_process import InProcess, serving
from tests.service.packages import PackageRecipe

if TYPE_CHECKING:
    from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceAsyncStub  # only the type stubs have it


@pytest.fixture
async def service(models: Path) -> AsyncIterator[InProcess]:
    async with furnished(models) as running:
        yield running


def furnished(models: Path) -> AbstractAsyncContextManager[InProcess]:
    """Batches of up to eight."""
    plain_models.write(models, "pair", plain_models.sum_and_difference())
    plain_models.write(models, "half", plain_models.identity("FP16"), labels_txt="a\nb\nc\n")
    return serving(models, http=True, model_control="explicit")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[InProcess]:
    """For tests of a module that change nothing and count nothing; they run in the module's loop."""
    root = tmp_path_factory.mktemp("models")
    PackageRecipe().write(root)
    async with furnished(root) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_http(shared: InProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{shared.http_port}", timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def shared_stub(shared: InProcess) -> "GRPCInferenceServiceAsyncStub":
    return GRPCInferenceServiceStub(shared.channel)


@pytest.fixture
def stub(service: InProcess) -> "GRPCInferenceServiceAsyncStub":
    return GRPCInferenceServiceStub(service.channel)
