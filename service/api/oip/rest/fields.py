"""Protocol messages as JSON, named as in the .proto file; unlike in protobuf's own JSON, 64-bit numbers are numbers."""

from typing import Any

from google.protobuf.message import Message


def fields_of(message: Message) -> dict[str, Any]:
    """Every field that is set, and those that are always there: numbers, texts and lists."""
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        inner = field.message_type.fields_by_name["value"]
        return {str(key): _single(inner, entry) for key, entry in value.items()}
    if field.is_repeated:
        return [_single(field, element) for element in value]
    return _single(field, value)


def _single(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return fields_of(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value
