"""Whether a request fits the model that it names: its inputs, their types and shapes, and the outputs it asks for."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from service.api.oip.requests import GivenTensor, InferRequest, WantedTensor
from service.engine.datatypes import AnyTensor, Datatype
from service.engine.tensor_session import TensorSpec
from service.errors import ArgumentInvalid, BatchTooLarge
from service.models.tensor_model import TensorModel

ANY_SIZE = -1


def checked_inputs(request: InferRequest, model: TensorModel) -> Mapping[str, AnyTensor]:
    """The tensors by name. Raises ArgumentInvalid or BatchTooLarge in the protocol's words."""
    if len(request.inputs) == 1 == len(model.inputs) and _is_usual(request.inputs[0], model.inputs[0], model):
        return {request.inputs[0].name: request.inputs[0].tensor}
    specs = {spec.name: spec for spec in model.inputs}
    given: dict[str, AnyTensor] = {}
    for tensor in request.inputs:
        if tensor.name not in specs:
            raise ArgumentInvalid(
                f"unexpected inference input '{tensor.name[:64]}' for model '{model.name}'", field="inputs"
            )
        if tensor.name in given:
            raise ArgumentInvalid(f"input '{tensor.name}' already exists in request", field="inputs")
        _check(tensor, specs[tensor.name], model)
        given[tensor.name] = tensor.tensor
    _check_count(given, specs, model)
    if model.max_batch_size > 0:
        _check_batch([(tensor, specs[tensor.name]) for tensor in request.inputs], model)
    return given


def checked_outputs(wanted: Sequence[WantedTensor], model: TensorModel) -> list[tuple[WantedTensor, TensorSpec]]:
    """Each output that is wanted, with what it is. Raises ArgumentInvalid."""
    if not wanted:
        return [(_whole(spec.name), spec) for spec in model.outputs]
    known = {spec.name: spec for spec in (*model.outputs, *model.outputs_on_request)}
    chosen: dict[str, tuple[WantedTensor, TensorSpec]] = {}
    for output in wanted:
        if output.name not in known:
            raise ArgumentInvalid(
                f"unexpected inference output '{output.name[:64]}' for model '{model.name}'", field="outputs"
            )
        if output.name in chosen:
            raise ArgumentInvalid(f"output '{output.name}' already exists in request", field="outputs")
        chosen[output.name] = (output, known[output.name])
    return list(chosen.values())


@lru_cache(maxsize=256)
def _whole(name: str) -> WantedTensor:
    """An output as it is, which most requests want."""
    return WantedTensor(name=name)


def _is_usual(given: GivenTensor, spec: TensorSpec, model: TensorModel) -> bool:
    """Whether it is a batch of the very type and shape that is expected: nothing remains to be checked, or told."""
    if given.name != spec.name or given.datatype is not spec.datatype:
        return False
    (images, *shape), (any_size, *expected) = given.tensor.shape or (0,), spec.shape or (0,)
    return any_size == ANY_SIZE and shape == expected and 0 < images <= model.max_batch_size


def _check_count(given: Mapping[str, AnyTensor], specs: Mapping[str, TensorSpec], model: TensorModel) -> None:
    if len(given) == len(specs):
        return
    missing = [name for name in specs if name not in given]
    raise ArgumentInvalid(
        f"expected {len(specs)} inputs but got {len(given)} inputs for model '{model.name}'. "
        f"Got input(s) {list(given)}, but missing required input(s) {missing}. Please provide all required input(s).",
        field="inputs",
    )


def _check(tensor: GivenTensor, spec: TensorSpec, model: TensorModel) -> None:
    shape = tensor.tensor.shape
    if spec.takes_images and tensor.datatype is Datatype.BYTES:
        if len(shape) != 1 and shape[1:] != (1,):
            raise ArgumentInvalid(_unexpected_shape(spec.name, model, (ANY_SIZE,), shape), field="inputs")
        return
    if tensor.datatype is not spec.datatype:
        alternative = " (or BYTES: encoded images)" if spec.takes_images else ""
        raise ArgumentInvalid(
            f"inference input '{spec.name}' data-type is '{tensor.datatype}', but model '{model.name}' expects "
            f"'{spec.datatype}'{alternative}",
            field="inputs",
        )
    fits = len(shape) == len(spec.shape) and all(
        expected in (ANY_SIZE, got) for expected, got in zip(spec.shape, shape, strict=True)
    )
    if not fits:
        raise ArgumentInvalid(_unexpected_shape(spec.name, model, spec.shape, shape), field="inputs")


def _check_batch(inputs: Sequence[tuple[GivenTensor, TensorSpec]], model: TensorModel) -> None:
    sizes = {len(given.tensor) for given, _ in inputs}
    if len(sizes) > 1:
        raise ArgumentInvalid(
            f"all inputs of a request for model '{model.name}' must have the same batch-size, got {sorted(sizes)}",
            field="inputs",
        )
    if sizes == {0}:
        raise ArgumentInvalid(f"inference request batch-size must be >= 1 for '{model.name}'", field="inputs")
    of_images = [spec.most_images for given, spec in inputs if spec.takes_images and given.datatype is Datatype.BYTES]
    most = max(of_images, default=model.max_batch_size)
    if sizes and max(sizes) > most:
        raise BatchTooLarge(f"inference request batch-size must be <= {most} for '{model.name}'", field="inputs")


def _unexpected_shape(name: str, model: TensorModel, expected: Sequence[int], got: Sequence[int]) -> str:
    return (
        f"unexpected shape for input '{name}' for model '{model.name}'. "
        f"Expected [{_sizes(expected)}], got [{_sizes(got)}]"
    )


def _sizes(shape: Sequence[int]) -> str:
    return ",".join(map(str, shape))
