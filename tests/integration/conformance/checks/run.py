"""Runs every check of one door and prints the outcome of each as JSON: `python -m … DOOR HOST:PORT`.

The door is the name of a file of checks: grpc, grpc_infer, aio, http or secure.
"""

import asyncio
import importlib
import inspect
import json
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any


def checks_of(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """By name, in the order of the file."""
    return {name: check for name, check in vars(module).items() if name.startswith("check_")}


def outcome(check: Callable[..., Any], module: ModuleType, url: str) -> str:
    """Empty where the check passes, else what went wrong. Each check gets a client of its own, or the address."""
    try:
        if inspect.iscoroutinefunction(check):
            asyncio.run(_with_async_client(check, module, url))
        elif "url" in inspect.signature(check).parameters:
            check(url)
        else:
            with module.connect(url) as client:
                check(client)
    except Exception:  # noqa: BLE001 - whatever it is, it is the outcome
        return traceback.format_exc()
    return ""


async def _with_async_client(check: Callable[..., Any], module: ModuleType, url: str) -> None:
    async with module.connect(url) as client:
        await check(client)


def main(door: str, url: str) -> None:
    module = importlib.import_module(f"tests.integration.conformance.checks.{door}_checks")
    outcomes = {name: outcome(check, module, url) for name, check in checks_of(module).items()}
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
