"""Does to published packages what must be noticed: changes files with and without keeping the manifest true."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper

from service.models.manifest import MANIFEST_FILE, digest_of
from tests.service.packages import graph


def flip_bit(file: Path, *, part: float = 0.5) -> None:
    """Changes one bit of a file."""
    content = bytearray(file.read_bytes())
    content[int(part * len(content))] ^= 1
    file.write_bytes(bytes(content))


def edit_manifest(directory: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Changes the manifest as somebody with an editor would."""
    file = directory / MANIFEST_FILE
    values = json.loads(file.read_bytes())
    edit(values)
    file.write_text(json.dumps(values), encoding="utf-8")


def replace_file(directory: Path, name: str, content: bytes) -> None:
    """Puts another content in place and its digest into the manifest, as a faulty export would."""
    (directory / name).write_bytes(content)
    record = {"sha256": digest_of(content), "size_bytes": len(content)}
    edit_manifest(directory, lambda values: values["files"].update({name: record}))


def graph_with(name: str, value: float) -> bytes:
    """The good graph with another constant: `gain` or `scale`."""
    model = onnx.load_from_string(graph())
    for constant in model.graph.initializer:
        if constant.name == name:
            array = numpy_helper.to_array(constant)
            constant.CopyFrom(numpy_helper.from_array((array * 0 + value).astype(array.dtype), name))
    return bytes(model.SerializeToString())


def graph_of_single_images() -> bytes:
    """The good graph, but taking one image at a time."""
    model = onnx.load_from_string(graph())
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    return bytes(model.SerializeToString())
