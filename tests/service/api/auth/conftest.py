"""A service that asks for tokens, with every door open, and the tokens that it knows."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from grpc.aio._server import Server

from service.api.methods import Methods
from service.http2 import server as http2_server
from tests.service.api.auth.keys import TOKENS, write_tokens
from tests.service.api.house import furnish
from tests.service.in_process import InProcess, serving


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A file with the tokens of keys.py."""
    return write_tokens(tmp_path / "tokens.toml", TOKENS)


@pytest.fixture(scope="module")
def registered() -> Iterator[set[str]]:
    """The names of all services that calls can reach, noted as they are added: to gRPC's server, or to our own methods.

    Another handler of gRPC's server would have no name to be noted by, and fails.
    """
    names: set[str] = set()
    add_generic, add_to_server, add_methods = (
        Server.add_generic_rpc_handlers,
        Server.add_registered_method_handlers,
        Methods.add_registered_method_handlers,
    )

    def note_generic(server: Any, handlers: Any) -> None:
        names.update(handler.service_name() for handler in handlers if not isinstance(handler, Methods))
        add_generic(server, handlers)

    def note_of_server(server: Any, service: str, handlers: Any) -> None:
        names.add(service)
        add_to_server(server, service, handlers)

    def note_methods(methods: Any, service: str, handlers: Any) -> None:
        names.add(service)
        add_methods(methods, service, handlers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Server, "add_generic_rpc_handlers", note_generic)
        patch.setattr(Server, "add_registered_method_handlers", note_of_server)
        patch.setattr(Methods, "add_registered_method_handlers", note_methods)
        yield names


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory, registered: set[str]) -> AsyncIterator[InProcess]:
    """A service behind tokens, shared by the tests of a module; models may be loaded by request."""
    root = tmp_path_factory.mktemp("models")
    furnish(root)
    tokens = write_tokens(tmp_path_factory.mktemp("tokens") / "tokens.toml", TOKENS)
    doors: dict[str, Any] = {"http": True, "fast_grpc_port": 0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http2_server, "TICK_SECONDS", 0.02)  # streams hear then that they are refused
        async with serving(root, tokens=tokens, require_all_models=False, model_control="explicit", **doors) as service:
            yield service
