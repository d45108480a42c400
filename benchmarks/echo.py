"""A bare grpc.aio server: any request in, one fixed answer out, nothing between. What a service is measured against."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import uvloop

ROOT = Path(__file__).resolve().parents[1]


class _Anything(grpc.GenericRpcHandler):
    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":  # noqa: ARG002
        async def echo(request: bytes, context: object) -> bytes:  # noqa: ARG001
            return self._answer

        return grpc.unary_unary_rpc_method_handler(echo)


async def serve(answer: bytes) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 64 * 2**20)])
    server.add_generic_rpc_handlers((_Anything(answer),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


@contextmanager
def running_echo(answer: bytes, *, loop: str = "uvloop") -> Iterator[tuple[str, int]]:
    """(target, process id) of an echo server on asyncio's own loop or on uvloop."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.echo", answer.hex(), loop],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    try:
        port = process.stdout.readline().strip() if process.stdout is not None else ""
        yield f"127.0.0.1:{port}", process.pid
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    run = uvloop.run if sys.argv[2] == "uvloop" else asyncio.run
    run(serve(bytes.fromhex(sys.argv[1])))
