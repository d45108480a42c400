"""Frozen dataclasses to plain JSON values and back; what does not fit is refused with the path of the field.

A field with a default may be missing: records of earlier versions stay readable.

Understood: dataclasses, str, int, float, bool, None, enums, Literal, X | None, tuple[X, ...], dict[str, X].
"""

import dataclasses
import types
from enum import Enum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class FieldInvalid(ValueError):
    """The text names the field and what was expected there."""


def encode(value: Any) -> Any:
    """Plain dicts, lists and scalars, ready for json.dumps."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def decode(expected: type[T], value: Any, *, path: str = "") -> T:
    """An instance of the dataclass `expected`. Raises FieldInvalid."""
    result: T = _decode(expected, value, path)
    return result


def _decode(expected: Any, value: Any, path: str) -> Any:
    origin, arguments = get_origin(expected), get_args(expected)
    if origin in (Union, types.UnionType):
        return None if value is None else _decode(_without_none(arguments), value, path)
    if origin is tuple and isinstance(value, list):
        return tuple(_decode(arguments[0], item, f"{path}[{index}]") for index, item in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: _decode(arguments[1], item, f"{path}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(expected) and isinstance(value, dict):
        return _decode_dataclass(expected, value, path)
    return _decode_scalar(expected, value, path)


def _decode_scalar(expected: Any, value: Any, path: str) -> Any:
    if get_origin(expected) is Literal and value in get_args(expected):
        return value
    if isinstance(expected, type) and issubclass(expected, Enum):
        return _decode_enum(expected, value, path)
    if expected is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if expected in (str, int, bool) and type(value) is expected:
        return value
    raise FieldInvalid(f"{path or 'record'}: expected {_name(expected)}, found {value!r:.60}")


def _decode_dataclass(expected: Any, value: dict[str, Any], path: str) -> Any:
    hints = get_type_hints(expected)
    fields = {field.name for field in dataclasses.fields(expected)}
    optional = {
        field.name
        for field in dataclasses.fields(expected)
        if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    }
    for name in sorted((fields ^ value.keys()) - (optional - value.keys())):
        raise FieldInvalid(f"{f'{path}.{name}'.lstrip('.')}: {'missing' if name in fields else 'unknown field'}")
    return expected(
        **{name: _decode(hints[name], value[name], f"{path}.{name}".lstrip(".")) for name in fields & value.keys()}
    )


def _decode_enum(expected: type[Enum], value: Any, path: str) -> Enum:
    try:
        return expected(value)
    except ValueError:
        choices = ", ".join(str(member.value) for member in expected)
        raise FieldInvalid(f"{path}: expected one of {choices}, found {value!r:.60}") from None


def _without_none(arguments: tuple[Any, ...]) -> Any:
    (inner,) = (argument for argument in arguments if argument is not types.NoneType)
    return inner


def _name(expected: Any) -> str:
    if get_origin(expected) is Literal:
        return " or ".join(repr(value) for value in get_args(expected))
    return expected.__name__ if isinstance(expected, type) else str(expected)
