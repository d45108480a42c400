"""What every test of the doors asks with, and a service that it may share."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.service.api.house import LIMITS, furnish
from tests.service.in_process import InProcess, serving
from tests.service.packages import encode, picture


@pytest.fixture
def image() -> bytes:
    """A picture that is bright on the right."""
    return encode(picture(2))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[InProcess]:
    """A service with versions in every state and small limits, shared by the tests of a module."""
    root = tmp_path_factory.mktemp("models")
    furnish(root)
    async with serving(root, require_all_models=False, **LIMITS) as running:
        yield running
