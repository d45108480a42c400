"""A repository with a version in every state, small limits, and a model that fails while it computes."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from recognition.v1 import recognition_pb2 as pb

from tests.service.packages import PackageRecipe, golden, graph

THIRDS = pb.ModelSelector(name="thirds")
LIMITS = {"max_image_bytes": 10_000, "max_image_side": 100, "max_request_images": 4, "max_queue_images": 3}
DAZZLING = 255
"""A brightness at which the graph of the model `fragile` fails while it runs."""


def furnish(root: Path) -> None:
    """Three versions of `thirds` (1 not loaded, 2 stable, 3 the highest), `fragile`, and `wrong`, which is refused."""
    for version in (1, 2, 3):
        PackageRecipe(version=version).write(root)
    (root / "thirds" / "aliases.json").write_text('{"stable": 2}')
    PackageRecipe(name="fragile", graph=fragile_graph()).write(root)
    PackageRecipe(name="wrong", golden=golden(shift=1.0)).write(root)


def fragile_graph() -> bytes:
    """The graph of `thirds`, which looks the brightest pixel up in a table that is too short for white."""
    model = onnx.load_from_string(graph())
    model.graph.node[-1].output[0] = "plain_logits"
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(250, dtype=np.float32), "table"))
    model.graph.node.extend(
        [
            helper.make_node("Cast", ["image"], ["indices"], to=TensorProto.INT64),
            helper.make_node("ReduceMax", ["indices"], ["brightest"], keepdims=0),
            helper.make_node("Gather", ["table", "brightest"], ["nothing"]),
            helper.make_node("Add", ["plain_logits", "nothing"], ["logits"]),
        ]
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def classify(
    image: bytes, model: str = "thirds", *, options: pb.ClassifyOptions | None = None, **selector: Any
) -> pb.ClassifyRequest:
    """Asks for the labels of one image; `selector` is a version or an alias."""
    return pb.ClassifyRequest(model=pb.ModelSelector(name=model, **selector), image=image, options=options)


def png_header(width: int, height: int) -> bytes:
    """A file that announces a size and brings no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
