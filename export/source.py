"""A model from elsewhere, ready to be packed: its graph in this project's form, and what it is checked against."""

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from export.verify import Logits, Pixels
from service.models.manifest import InputSpec, OutputSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """`reference` gives the logits of the untouched model, computed by what `reference_name` says."""

    graph: onnx.ModelProto
    spec: InputSpec
    labels: tuple[str, ...]
    outputs: OutputSpec
    reference: Callable[[Pixels], Logits]
    reference_name: str
    family: str
    opset: int
    """Of the graph that is published."""
    parameters: int
    macs: int
    digest: str
    origin: str
    """For the card: what it was made from."""
    half: Callable[[], onnx.ModelProto] | None = None
    """The same in half precision, where that can be made."""
    one_by_one: bool = False
    """The graph takes one picture at a time, so that nothing inside can be quantised."""
