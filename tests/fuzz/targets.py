"""What is fuzzed: each target takes any bytes, and whatever it raises is a finding. Expected refusals are none."""

import contextlib
import tomllib
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from google.protobuf.message import DecodeError
from recognition.oip import open_inference_pb2 as oip

from service.api.auth.tokens import TokensInvalid, parse_tokens
from service.api.oip.messages import request_of
from service.api.oip.rest.messages import rest_request_of
from service.config import SettingsInvalid, read_settings
from service.engine.decode import ImageLimits, decode
from service.errors import ServiceError
from service.models.manifest import Manifest, ManifestInvalid, PixelFormat
from service.models.onnx_file import OnnxFileInvalid, check_graph

LIMITS = ImageLimits(max_bytes=2**20, max_side=2048, max_pixels=2**20)


def image(data: bytes) -> None:
    """The decoder: pixels within the limits, or a refusal."""
    for pixel_format in (PixelFormat.RGB8, PixelFormat.GRAY8):
        with contextlib.suppress(ServiceError):
            pixels = decode(data, pixel_format=pixel_format, limits=LIMITS)
            assert pixels.dtype == np.uint8
            assert pixels.shape[0] * pixels.shape[1] <= LIMITS.max_pixels


def manifest(data: bytes) -> None:
    """The manifest of a package."""
    with contextlib.suppress(ManifestInvalid):
        Manifest.from_bytes(data)


def tensors(data: bytes) -> None:
    """A request of the Open Inference Protocol: as a message, as JSON, and as JSON before bytes."""
    with contextlib.suppress(DecodeError, ServiceError):
        request_of(oip.ModelInferRequest.FromString(data))
    for json_bytes in (len(data), len(data) // 2):
        with contextlib.suppress(ServiceError):
            rest_request_of(data, json_bytes, model="m", version="")


def config(data: bytes) -> None:
    """A file of settings, and a file of tokens."""
    with contextlib.suppress(TokensInvalid):
        parse_tokens(data)
    with contextlib.suppress(SettingsInvalid, tomllib.TOMLDecodeError, UnicodeDecodeError):
        values = tomllib.loads(data.decode())
        read_settings(values)


def graph(data: bytes) -> None:
    """The look into an ONNX file."""
    with contextlib.suppress(OnnxFileInvalid):
        check_graph(data, packaged=True)


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType(
    {target.__name__: target for target in (image, manifest, tensors, config, graph)}
)
