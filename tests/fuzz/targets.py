"""What is fuzzed: each target takes any bytes, and whatever it raises is a finding. Expected refusals are none.

Where the bytes must first be JSON or TOML, few of them get further; so they are also taken as orders to change values
somewhere in a good file.
"""

import asyncio
import contextlib
import copy
import json
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError
from recognition.oip import open_inference_pb2 as oip
from structlog.testing import capture_logs

from service.api.auth.tokens import TokensInvalid, parse_tokens
from service.api.oip.messages import request_of
from service.api.oip.rest.messages import rest_request_of
from service.api.oip.wire import LARGE_BYTES, read_request
from service.config import SettingsInvalid, read_settings
from service.engine.decode import ImageLimits, decode
from service.errors import ServiceError
from service.http2.connection import Connection
from service.http2.frames import PREFACE, SETTINGS, FrameReader, frame
from service.http2.intake import Intake
from service.http2.site import Site
from service.models.manifest import Manifest, ManifestInvalid, PixelFormat
from service.models.onnx_file import OnnxFileInvalid, check_graph
from tests.service.http2.conftest import LIMITS as LIMITS_OF_TESTS

CORPUS = Path(__file__).parent / "corpus"
GOOD_MANIFEST = json.loads((CORPUS / "manifest" / "thirds.json").read_bytes())
GOOD_SETTINGS = tomllib.loads((CORPUS / "config" / "settings.toml").read_text(encoding="utf-8"))
LARGE_TENSOR = oip.ModelInferRequest(raw_input_contents=[bytes(LARGE_BYTES)]).SerializeToString()
"""Behind a small message, so that it is read as a large one."""
OTHERS: tuple[Any, ...] = (
    *(0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 0.0, -0.5, 1e308, 5e-324, float("nan"), float("inf"), True, False),
    *("", " ", "0", "../x", "/etc/passwd", "\x00", "\ud7ff", "a" * 10_000, [], [[]], [{}], {}, {"": {}}, ["a"] * 300),
)
MOST_DOUBLED = 8
"""In one file: what is doubled again and again would fill the memory here and not there."""
GREETING = PREFACE + frame(SETTINGS, 0, 0)
CONNECTION = replace(LIMITS_OF_TESTS, message_bytes=2**16, streams=10, body_seconds=1.0)
LIMITS = ImageLimits(max_bytes=2**20, max_side=2048, max_pixels=2**20)


def image(data: bytes) -> None:
    """The decoder: pixels within the limits, or a refusal."""
    for pixel_format in (PixelFormat.RGB8, PixelFormat.GRAY8):
        with contextlib.suppress(ServiceError):
            pixels = decode(data, pixel_format=pixel_format, limits=LIMITS)
            assert pixels.dtype == np.uint8
            assert pixels.shape[0] * pixels.shape[1] <= LIMITS.max_pixels


def edited(good: Any, data: bytes) -> Any:
    """Values changed, taken out or put where none was: some bytes lead to one, the next says what becomes of it."""
    values = here = copy.deepcopy(good)
    way, doubled = iter(data), 0
    for step in way:
        keys = list(here) if isinstance(here, dict) else range(len(here))
        if not keys:
            break
        key = keys[step % len(keys)]
        if isinstance(here[key], dict | list) and next(way, 0) % 4:
            here = here[key]
            continue
        match next(way, 0) % (len(OTHERS) + 4):
            case 0:
                del here[key]
            case 1:
                here[key] = data.decode("utf-8", errors="replace")
            case 2 if doubled < MOST_DOUBLED:
                here[key] = [here[key], here[key]]
                doubled += 1
            case 3 if isinstance(here, dict):
                here[data[:20].decode("latin-1")] = here[key]
            case number:
                here[key] = copy.deepcopy(OTHERS[number % len(OTHERS)])
        here = values
    return values


def manifest(data: bytes) -> None:
    """The manifest of a package."""
    for content in (data, json.dumps(edited(GOOD_MANIFEST, data)).encode()):
        with contextlib.suppress(ManifestInvalid):
            Manifest.from_bytes(content)


def tensors(data: bytes) -> None:
    """A request of the Open Inference Protocol: as a message, as JSON, and as JSON before bytes."""
    with contextlib.suppress(DecodeError, ServiceError):
        request_of(oip.ModelInferRequest.FromString(data))
    _as_protobuf_reads_it(data + LARGE_TENSOR)
    for json_bytes in (len(data), len(data) // 2):
        with contextlib.suppress(ServiceError):
            rest_request_of(data, json_bytes, model="m", version="")


def _as_protobuf_reads_it(data: bytes) -> None:
    """What is cut out of a large message is what protobuf finds in it, and what it refuses is refused."""
    try:
        whole = oip.ModelInferRequest.FromString(data)
    except DecodeError:
        assert _is_refused(data)
        return
    found = read_request(data)
    assert [bytes(tensor) for tensor in found.raw] == list(whole.raw_input_contents)
    whole.ClearField("raw_input_contents")
    found.message.ClearField("raw_input_contents")
    assert found.message.SerializeToString(deterministic=True) == whole.SerializeToString(deterministic=True)


def _is_refused(data: bytes) -> bool:
    try:
        read_request(data)
    except DecodeError:
        return True
    return False


def config(data: bytes) -> None:
    """A file of settings, and a file of tokens."""
    with contextlib.suppress(TokensInvalid):
        parse_tokens(data)
    with contextlib.suppress(SettingsInvalid, tomllib.TOMLDecodeError, UnicodeDecodeError):
        read_settings(tomllib.loads(data.decode()))
    with contextlib.suppress(SettingsInvalid):
        read_settings(edited(GOOD_SETTINGS, data))


def graph(data: bytes) -> None:
    """The look into an ONNX file."""
    with contextlib.suppress(OnnxFileInvalid):
        check_graph(data, packaged=True)


class _Peer(asyncio.Transport):
    """A client that takes everything and says nothing back."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass

    abort = close


def frames(data: bytes) -> None:
    """A connection of the second gRPC door: whatever comes in, what goes out is frames, and no handler is left."""
    with capture_logs():
        asyncio.run(_talk(data))


async def _talk(data: bytes) -> None:
    site = Site(find=_echo, limits=CONNECTION, intake=Intake(message_bytes=CONNECTION.message_bytes))
    for said in (data, GREETING + data):
        connection, peer = Connection(site), _Peer()
        connection.connection_made(peer)
        for at in range(0, len(said), 1000):
            connection.data_received(said[at : at + 1000])
            await asyncio.sleep(0)
            assert connection._outbox.window >= 0
            assert connection._outbox.waiting_bytes == site.waiting.size >= 0
        await asyncio.sleep(0)
        connection.tick(time.monotonic() + 1000.0)
        connection.connection_lost(None)
        await asyncio.sleep(0)
        reader = FrameReader(largest=2**24)
        reader.read(PREFACE + bytes(peer.written))
        assert not reader.waits
        assert site.intake.untouched
        assert site.waiting.size == 0
        assert len(asyncio.all_tasks()) == 1


def _echo(details: grpc.HandlerCallDetails) -> Any:
    async def echo(request: bytes, _: object) -> bytes:
        return request

    async def echoes(requests: Any, _: object) -> Any:
        async for request in requests:
            yield request

    if str(details.method).endswith("s"):
        return grpc.stream_stream_rpc_method_handler(echoes)
    return grpc.unary_unary_rpc_method_handler(echo)


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType(
    {target.__name__: target for target in (image, manifest, tensors, config, graph, frames)}
)
