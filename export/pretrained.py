"""A file of weights for one of the training package's models, as other people publish them, as a model to import."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from export.errors import ImportInvalid, ImportMisused
from export.given import read_labels, read_preprocessing
from export.graph import OPSET, OUTPUTS, HalfModel, describe, embedding_size, graph_of
from export.source import Source
from export.verify import Logits, Pixels
from service.models.manifest import InputSpec
from training import describe as descriptions
from training.config import Preprocessing
from training.evaluate import as_tensor, normalise
from training.models import Classifier, build
from training.typed_json import decode, encode
from training.weights import MEANS, Weights, from_file, load_backbone

SUFFIXES = frozenset({".safetensors", ".pth", ".pt"})
BATCH_SIZE = 16


def read_pretrained(
    path: Path, *, architecture: str, convention: str, labels: str, preprocessing: str | None
) -> Source:
    """Raises ImportInvalid, or TrainingError where the weights do not fit the architecture."""
    if convention not in MEANS:
        raise ImportMisused(f"--convention {convention} is not known; it is one of {', '.join(MEANS)}")
    weights = from_file(path, architecture, convention)
    head = _head(weights)
    names = read_labels(labels, head.labels)
    model = build(architecture, {**weights.arguments, "classes": len(names)})
    load_backbone(model, weights)
    _load_head(model, head)
    model.eval()
    spec = _input(model, weights, preprocessing)
    wanted = decode(Preprocessing, spec.model_dump(mode="json", exclude={"tensor"}))
    properties = describe(names, wanted, family=architecture, digest=weights.sha256)
    graph = graph_of(model, wanted, properties=properties)

    @torch.inference_mode()
    def reference(pixels: Pixels) -> Logits:
        batches = torch.split(as_tensor(pixels), BATCH_SIZE)
        logits: Logits = torch.cat([model(normalise(batch, wanted)) for batch in batches]).numpy()
        return logits

    return Source(
        graph=graph,
        spec=spec,
        labels=names,
        outputs=OUTPUTS.model_copy(update={"embedding_size": embedding_size(graph)}),
        reference=reference,
        reference_name="torch",
        family=architecture,
        opset=OPSET,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        macs=descriptions.describe(architecture, model).macs,
        digest=weights.sha256,
        origin=f"weights with the SHA-256 `{weights.sha256}` in the convention {convention}",
        half=lambda: graph_of(model, wanted, properties=properties, served_as=HalfModel),
    )


def _input(model: Classifier, weights: Weights, preprocessing: str | None) -> InputSpec:
    """That of the convention, unless another one is given; the architecture says the size."""
    channels, height, width = model.input_shape
    if preprocessing is not None:
        return read_preprocessing(preprocessing, channels=channels, height=height, width=width)
    spec = InputSpec.model_validate(encode(weights.preprocessing))
    if (spec.channels, spec.height, spec.width) != model.input_shape:
        raise ImportInvalid(
            f"{weights.model} takes {height} x {width} x {channels}, for which no convention is known; "
            "say with --preprocessing how pictures become that"
        )
    return spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands behind the embedding, which the backbone's names do not cover."""

    tensors: dict[str, Tensor]
    labels: int


def _head(weights: Weights) -> Head:
    """Mostly the last linear layer: `fc` in ResNets and Inceptions, `classifier` or its last part in others.

    LeNet-5 of 1998 has codes there, network in network nothing at all. Raises ImportInvalid.
    """
    for name, tensor in reversed(weights.tensors.items()):
        prefix = name.removesuffix(".weight")
        last = prefix == "fc" or prefix.split(".")[0] == "classifier"
        if last and name.endswith(".weight") and tensor.ndim == 2 and f"{prefix}.bias" in weights.tensors:
            return Head(tensors={"weight": tensor, "bias": weights.tensors[f"{prefix}.bias"]}, labels=len(tensor))
    return _head_without_weights(weights, build(weights.model, weights.arguments))


def _head_without_weights(weights: Weights, model: Classifier) -> Head:
    """That of an architecture whose head learns nothing: its buffers, else its last layer, count the labels."""
    learns = any(True for _ in model.classifier.parameters())
    last = [name for name, tensor in model.state_dict().items() if tensor.ndim][-1]
    if learns or last not in weights.tensors:
        lacking = "last linear layer (fc or classifier)" if learns else f"last layer ({last})"
        raise ImportInvalid(f"{weights.source} has no {lacking}; a backbone alone has no answers")
    buffers = {name: weights.tensors.get(f"classifier.{name}") for name in model.classifier.state_dict()}
    present = {name: tensor for name, tensor in buffers.items() if tensor is not None}
    return Head(tensors=present, labels=len(weights.tensors[last]))


def _load_head(model: Classifier, head: Head) -> None:
    expected = model.classifier.state_dict()
    if {name: t.shape for name, t in expected.items()} != {name: t.shape for name, t in head.tensors.items()}:
        raise ImportInvalid("the last layer of the weights does not fit the architecture; name another one")
    model.classifier.load_state_dict(head.tensors)
