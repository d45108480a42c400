"""What callers may send to a plain model and what they get: the graph's own tensors, as config.pbtxt presents them.

With max_batch_size above 0 the first dimension of every tensor is the batch. Without a configuration a graph has such a
dimension where the first one of every input and output is of any size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from recognition.oip.model_config_pb2 import DataType, ModelConfig, ModelInput, ModelOutput

from service.engine.datatypes import Datatype
from service.engine.tensor_session import TensorSpec
from service.models.package import PackageRefused
from service.models.triton_config import BACKEND, CONFIG_FILE, GRAPH_FILE, PLATFORM, say_priorities

ANY_SIZE = -1
IN_CONFIG: Mapping[Datatype, DataType.ValueType] = MappingProxyType(
    {datatype: DataType.Value("TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}") for datatype in Datatype}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainSignature:
    """`inputs` and `outputs` as callers see them.

    `graph_shapes` holds, by name and without the batch dimension, the shapes that the graph has instead.
    """

    config: ModelConfig
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    graph_shapes: Mapping[str, tuple[int, ...]]

    @property
    def max_batch_size(self) -> int:
        return self.config.max_batch_size


def signature_of(
    name: str,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    *,
    config: ModelConfig | None,
    labels: Mapping[str, tuple[str, ...]],
    batch_size: int,
) -> PlainSignature:
    """Of a graph with these tensors; `batch_size` counts where the configuration says nothing about batches.

    Raises PackageRefused where configuration and graph disagree.
    """
    complete = ModelConfig()
    if config is not None:
        complete.CopyFrom(config)
    complete.name, complete.platform, complete.backend = name, PLATFORM, BACKEND
    complete.default_model_filename = complete.default_model_filename or GRAPH_FILE
    if not complete.input and not complete.max_batch_size and can_batch([*inputs, *outputs]):
        complete.max_batch_size = batch_size
        complete.dynamic_batching.SetInParent()
    say_priorities(complete)
    _fill_in(complete, inputs, outputs)
    matcher = _Matcher(where=f"{name}/{CONFIG_FILE}", max_batch_size=complete.max_batch_size)
    listed_inputs = matcher.match(list(complete.input), inputs)
    listed_outputs = matcher.match(list(complete.output), outputs)
    if len(listed_inputs) != len(inputs):
        missing = sorted({spec.name for spec in inputs} - {spec.name for spec in listed_inputs})
        raise PackageRefused(f"{name}/{CONFIG_FILE} does not list the input {missing[0]}")
    if len(listed_outputs) == 1 and "" in labels:
        labels = {listed_outputs[0].name: labels[""]}
    return PlainSignature(
        config=complete,
        inputs=listed_inputs,
        outputs=tuple(_labelled(spec, labels.get(spec.name, ())) for spec in listed_outputs),
        graph_shapes=_graph_shapes([*complete.input, *complete.output]),
    )


def can_batch(tensors: Sequence[TensorSpec]) -> bool:
    """Whether the first dimension of every tensor is of any size."""
    return all(spec.shape[:1] == (ANY_SIZE,) for spec in tensors)


def _labelled(spec: TensorSpec, labels: tuple[str, ...]) -> TensorSpec:
    return TensorSpec(name=spec.name, datatype=spec.datatype, shape=spec.shape, labels=labels)


def _fill_in(config: ModelConfig, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
    """Lists the graph's tensors where the configuration lists none."""
    skipped = 1 if config.max_batch_size > 0 else 0
    if not config.input:
        config.input.extend(
            ModelInput(name=spec.name, data_type=IN_CONFIG[spec.datatype], dims=spec.shape[skipped:]) for spec in inputs
        )
    if not config.output:
        config.output.extend(
            ModelOutput(name=spec.name, data_type=IN_CONFIG[spec.datatype], dims=spec.shape[skipped:])
            for spec in outputs
        )


def _graph_shapes(tensors: Sequence[ModelInput | ModelOutput]) -> dict[str, tuple[int, ...]]:
    return {tensor.name: tuple(tensor.reshape.shape) for tensor in tensors if tensor.HasField("reshape")}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matcher:
    """Checks what a configuration says of tensors against the graph."""

    where: str
    max_batch_size: int

    def match(
        self, configured: Sequence[ModelInput | ModelOutput], in_graph: Sequence[TensorSpec]
    ) -> tuple[TensorSpec, ...]:
        known = {spec.name: spec for spec in in_graph}
        return tuple(self._one(tensor, known) for tensor in configured)

    def _one(self, tensor: ModelInput | ModelOutput, known: Mapping[str, TensorSpec]) -> TensorSpec:
        spec = known.get(tensor.name)
        if spec is None:
            raise PackageRefused(f"{self.where} lists {tensor.name}; the graph has {', '.join(sorted(known))}")
        if tensor.data_type != IN_CONFIG[spec.datatype]:
            raise PackageRefused(
                f"{self.where} says {DataType.Name(tensor.data_type)} for {tensor.name}, the graph has {spec.datatype}"
            )
        batch = (ANY_SIZE,) if self.max_batch_size > 0 else ()
        # A graph for one item at a time, whose first dimension is 1 for ever, is a batching one of batches of 1.
        if batch and spec.shape[:1] != batch and not (spec.shape[:1] == (1,) and self.max_batch_size == 1):
            raise PackageRefused(
                f"{self.where} sets max_batch_size = {self.max_batch_size}, but the graph's {tensor.name} has no first "
                "dimension of any size"
            )
        dims = tuple(tensor.reshape.shape) if tensor.HasField("reshape") else tuple(tensor.dims)
        if not _agree((*batch, *dims), spec.shape):
            raise PackageRefused(
                f"{self.where} says {[*batch, *dims]} for {tensor.name}, the graph has {list(spec.shape)}"
            )
        return spec.with_shape((*batch, *tensor.dims))


def _agree(one: Sequence[int], other: Sequence[int]) -> bool:
    return len(one) == len(other) and all(a == b or ANY_SIZE in (a, b) for a, b in zip(one, other, strict=True))
