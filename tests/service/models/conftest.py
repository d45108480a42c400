"""What the models are built from: a repository on disk and a loader for its packages."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.engine.batcher import BatchPolicy
from service.engine.decode import ImageLimits
from service.engine.providers import CPU_PROVIDER
from service.models.loader import LoadObserver, ModelLoader
from tests.service.models.observed import Observed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of a repository, empty."""
    path = tmp_path / "models"
    path.mkdir()
    return path


@pytest.fixture
def observed() -> Observed:
    return Observed()


@pytest.fixture
def loader(observed: Observed) -> Iterator[ModelLoader]:
    with ThreadPoolExecutor(2) as workers:
        yield ModelLoader(
            provider=CPU_PROVIDER,
            threads=1,
            policy=BatchPolicy(max_batch_size=4),
            limits=ImageLimits(),
            workers=workers,
            observer=LoadObserver(stage=observed.stage, batch=observed.batch),
        )
