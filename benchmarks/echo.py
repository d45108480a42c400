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


async def serve(answer: bytes, port: int) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", 64 * 2**20)])
    server.add_generic_rpc_handlers((_Anything(answer),))
    print(server.add_insecure_port(f"127.0.0.1:{port}"), flush=True)
    await server.start()
    await server.wait_for_termination()


@contextmanager
def running_echo(answer: bytes, *, loop: str = "uvloop", processes: int = 1) -> Iterator[tuple[str, list[int]]]:
    """(target, process ids) of an echo server on asyncio's own loop or on uvloop, in processes that share its port."""
    started: list[subprocess.Popen[str]] = []
    port = "0"
    try:
        for _ in range(processes):
            started.append(_start(answer, loop, port))
            stream = started[-1].stdout
            port = stream.readline().strip() if stream is not None else ""
        yield f"127.0.0.1:{port}", [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _start(answer: bytes, loop: str, port: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "benchmarks.echo", answer.hex(), loop, port]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)


if __name__ == "__main__":
    run = uvloop.run if sys.argv[2] == "uvloop" else asyncio.run
    run(serve(bytes.fromhex(sys.argv[1]), int(sys.argv[3])))
