"""A repository of numbered models, and one service over it that most tests here share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.running_service import RunningService, running_service
from tests.reliability.numbered import publish
from tests.reliability.observed import adds_up, assert_log_is_json

SHARED = (
    *("--reload-seconds", "0.1", "--threads", "1", "--decode-threads", "2"),
    *("--log-level", "debug", "--drain-seconds", "0"),
)


@pytest.fixture(scope="session")
def numbered_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of the model that gives numbers back."""
    root = tmp_path_factory.mktemp("numbered")
    publish(root, 1)
    return root


@pytest.fixture(scope="package")
def shared_service(numbered_models: Path) -> Iterator[RunningService]:
    """At the end its calls add up, and every line that it logged is JSON."""
    with running_service(numbered_models, *SHARED) as service:
        yield service
        assert adds_up(service)
        service.terminate()
        assert service.wait() == 0
    assert_log_is_json(service)


@pytest.fixture
def service(shared_service: RunningService) -> RunningService:
    return shared_service
