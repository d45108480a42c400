"""A network exported as the benchmarks do it, in float32 and in half precision; made once, by torch, without data."""

from collections.abc import Callable
from pathlib import Path

import pytest

from service.engine.providers import CUDA_PROVIDER, Device, choose_provider
from service.engine.session import Session
from service.models.manifest import Precision
from service.models.repository import ModelRepository, Package

LoadSession = Callable[..., Session]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from benchmarks.packages import prepare_package

    return prepare_package(tmp_path_factory.mktemp("gpu"), "fashion_cnn", Precision.FP16)


@pytest.fixture(scope="session")
def package(models: Path) -> Package:
    return ModelRepository(models).open("fashion_cnn", 1)


@pytest.fixture(scope="session")
def load(package: Package) -> LoadSession:
    """A session on CUDA; whoever asks for these tests without a GPU is told so by all of them."""
    assert choose_provider(Device.CUDA).name == CUDA_PROVIDER

    def build(precision: Precision = Precision.FP32, **options: str) -> Session:
        manifest = package.manifest
        return Session.load(
            package.read(manifest.variant(precision).file),
            provider=CUDA_PROVIDER,
            threads=1,
            tensor=manifest.input.tensor,
            outputs=manifest.outputs,
            provider_options=options,
        )

    return build
