"""A trained model in, an ONNX graph out: one file, uint8 pictures `[batch, H, W, C]` in, logits and embedding out.

Everything that needs arithmetic on the pictures' values (layout, cast, scaling, normalisation) is inside the graph, so
no server and no client can get it wrong.
"""

import copy
import io
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr

import onnx
import torch
from torch import Tensor, nn

from export.errors import GraphUnsupported
from service.models.manifest import InputSpec, OutputSpec
from training.checkpoint import Run
from training.config import Preprocessing
from training.evaluate import normalise
from training.models import Classifier
from training.typed_json import encode

OPSET = 20
"""Understood by ONNX Runtime from 1.17 on, and by TensorRT from 10 on."""

INPUT = "image"
BATCH = "batch"
OUTPUTS = OutputSpec(logits="logits", embedding="embedding")


class ServedModel(nn.Module):
    """The model as it is served: the pictures as a decoder leaves them in, logits and embedding out."""

    def __init__(self, model: Classifier, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.model = model
        self.preprocessing = preprocessing

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        # Contiguous: the exporter spells the strides of a mere view out, as arithmetic on indices.
        pixels = image.permute(0, 3, 1, 2).contiguous()  # (N, C, H, W)
        embedding = self.model.features(normalise(pixels, self.preprocessing))  # (N, D)
        return self.model.classifier(embedding), embedding


class HalfModel(ServedModel):
    """The same in half precision between the normalisation and the outputs, which stay float32."""

    def __init__(self, model: Classifier, preprocessing: Preprocessing) -> None:
        super().__init__(copy.deepcopy(model).half(), preprocessing)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        pixels = image.permute(0, 3, 1, 2).contiguous()
        embedding = self.model.features(normalise(pixels, self.preprocessing).half())
        return self.model.classifier(embedding).float(), embedding.float()


def build_graph(model: Classifier, run: Run, *, served_as: type[ServedModel] = ServedModel) -> onnx.ModelProto:
    """The checked graph of a run's model in evaluation mode. Raises GraphUnsupported."""
    record = run.record
    properties = describe(record.labels, record.preprocessing, family=record.family, digest=run.digest)
    return graph_of(model, record.preprocessing, properties=properties, served_as=served_as)


def graph_of(
    model: Classifier,
    preprocessing: Preprocessing,
    *,
    properties: Mapping[str, str],
    served_as: type[ServedModel] = ServedModel,
) -> onnx.ModelProto:
    """The checked graph of any model in evaluation mode. Raises GraphUnsupported."""
    graph = _exported(served_as(model, preprocessing).eval(), preprocessing)
    _strip_traces(graph)
    graph.graph.name = properties["family"]
    onnx.helper.set_model_props(graph, dict(properties))
    onnx.checker.check_model(graph, full_check=True)
    return graph


def describe(
    labels: tuple[str, ...], preprocessing: Preprocessing | InputSpec, *, family: str, digest: str
) -> dict[str, str]:
    """What other runtimes and people find in the file itself; the digest is that of what the graph was made from."""
    spec = (
        preprocessing.model_dump_json() if isinstance(preprocessing, InputSpec) else json.dumps(encode(preprocessing))
    )
    return {
        "digest": digest,
        "family": family,
        "labels": json.dumps(labels, ensure_ascii=False),
        "preprocessing": spec,
    }


def to_bytes(graph: onnx.ModelProto) -> bytes:
    """The file's content; equal graphs give equal bytes."""
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def embedding_size(graph: onnx.ModelProto) -> int:
    """D of the output `embedding` `[batch, D]`."""
    (output,) = (output for output in graph.graph.output if output.name == OUTPUTS.embedding)
    return int(output.type.tensor_type.shape.dim[1].dim_value)


def _exported(model: ServedModel, preprocessing: Preprocessing) -> onnx.ModelProto:
    channels = len(preprocessing.mean)
    # Two pictures: torch takes a size of one for a constant.
    example = torch.zeros(2, preprocessing.height, preprocessing.width, channels, dtype=torch.uint8)
    try:
        with _quiet_exporter():
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUTS.logits, str(OUTPUTS.embedding)],
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
                external_data=False,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        cause = str(error.__cause__ or error).strip().splitlines()[0]
        raise GraphUnsupported(f"the model cannot be expressed in ONNX, opset {OPSET}: {cause}") from error
    assert program is not None  # noqa: S101 - the dynamo exporter always returns a program
    return program.model_proto


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """The exporter logs and prints pages about a model that it cannot trace; its exception says it in a line."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _strip_traces(graph: onnx.ModelProto) -> None:
    """Takes out the exporter's notes on each node: stack traces, with the paths of the machine that exported."""
    for node in graph.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*graph.graph.input, *graph.graph.output, *graph.graph.value_info, *graph.graph.initializer):
        value.ClearField("metadata_props")
    graph.graph.ClearField("metadata_props")
