"""The one input of a model out of a body that is nothing but it, as the binary tensor extension allows."""

import math

import numpy as np

from service.api.oip.encoding import EncodingInvalid, decode_raw
from service.api.oip.requests import GivenTensor, size_mismatch
from service.engine.datatypes import AnyTensor, Datatype
from service.engine.decode import sniff
from service.engine.tensor_session import TensorSpec
from service.errors import ArgumentInvalid, ImageUnreadable, ImageUnsupported
from service.models.tensor_model import TensorModel

ANY_SIZE = -1


def tensor_of_body(body: bytes, model: TensorModel) -> GivenTensor:
    """One item: an image file where the input takes those, one element of BYTES, or numbers in the input's shape, where
    at most one size is open and follows from the length. Raises ArgumentInvalid.
    """
    if len(model.inputs) != 1:
        raise ArgumentInvalid(
            f"the body can only be the input itself where a model has one; '{model.name}' has {len(model.inputs)}",
            field="body",
        )
    spec = model.inputs[0]
    batch = (1,) if model.max_batch_size > 0 else ()
    item = spec.shape[len(batch) :]
    if spec.takes_images and (len(body) != math.prod(item) or is_image(body)):
        return GivenTensor(name=spec.name, datatype=Datatype.BYTES, tensor=_one_element(body, (1,)))
    if spec.datatype is Datatype.BYTES:
        if any(size not in {1, ANY_SIZE} for size in item):
            raise ArgumentInvalid(f"the body is one element; '{spec.name}' needs more", field="body")
        return GivenTensor(
            name=spec.name, datatype=Datatype.BYTES, tensor=_one_element(body, (*batch, *(1 for _ in item)))
        )
    return GivenTensor(name=spec.name, datatype=spec.datatype, tensor=_numbers(body, spec, batch, item, model.name))


def is_image(body: bytes) -> bool:
    """Whether the first bytes are those of an image file, of whatever kind."""
    try:
        sniff(body)
    except ImageUnsupported:
        return True
    except ImageUnreadable:
        return False
    return True


def _numbers(body: bytes, spec: TensorSpec, batch: tuple[int, ...], item: tuple[int, ...], model: str) -> AnyTensor:
    open_places = [place for place, size in enumerate(item) if size == ANY_SIZE]
    if len(open_places) > 1:
        raise ArgumentInvalid(f"the shape of '{spec.name}' does not follow from the body's length", field="body")
    shape = list(item)
    for place in open_places:
        rest = math.prod(size for size in item if size != ANY_SIZE) * spec.datatype.dtype.itemsize
        shape[place] = len(body) // rest if rest else 0
    try:
        return decode_raw(spec.datatype, (*batch, *shape), body)
    except EncodingInvalid as error:
        raise size_mismatch(error, tensor=spec.name, model=model) from error


def _one_element(body: bytes, shape: tuple[int, ...]) -> AnyTensor:
    element = np.empty(1, dtype=object)
    element[0] = body
    return element.reshape(shape)
