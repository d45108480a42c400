"""The classification extension: instead of an output, the best elements of each item as texts, best first.

A text is `value:index`, or `value:index:label` where the label is known; floats have six decimals. No softmax is
applied. Equal values rank by their index, always. An item of which no number is known (NaN) gets empty texts.
"""

import numpy as np

from service.engine.datatypes import AnyTensor
from service.engine.tensor_session import TensorSpec
from service.errors import ArgumentInvalid


def best_elements(tensor: AnyTensor, spec: TensorSpec, *, best: int, batched: bool) -> AnyTensor:
    """BYTES `[batch, k]`, or `[k]` of a model without batches, where k is `best` or all elements of an item.

    Raises ArgumentInvalid for elements that cannot be ranked.
    """
    if not (spec.datatype.is_integer or spec.datatype.is_float):
        raise ArgumentInvalid(
            f"class result not available for output '{spec.name}' due to unsupported type '{spec.datatype}'",
            field="outputs",
        )
    items = tensor.reshape(len(tensor) if batched else 1, -1)  # (items, elements)
    ranked = _ranked(items, min(best, items.shape[1]))
    texts = np.empty(ranked.shape, dtype=object)
    for item, indices in enumerate(ranked):
        for place, index in enumerate(indices):
            texts[item, place] = _text(items[item, index], int(index), spec)
    return texts if batched else texts[0]


def _ranked(items: AnyTensor, best: int) -> AnyTensor:
    """Indices of the best elements of each item; NaN ranks last."""
    # Inverting the bits turns the order of whole numbers around and cannot overflow.
    keys = -items.astype(np.float64) if items.dtype.kind == "f" else np.invert(items)
    return np.argsort(keys, axis=1, kind="stable")[:, :best]  # (items, best)


def _text(value: np.generic, index: int, spec: TensorSpec) -> bytes:
    if spec.datatype.is_float:
        if np.isnan(value):
            return b""
        number = f"{float(value):.6f}"
    else:
        number = str(value)
    label = spec.labels[index] if index < len(spec.labels) else ""
    return f"{number}:{index}:{label}".encode() if label else f"{number}:{index}".encode()
