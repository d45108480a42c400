"""The committed code of the .proto files (proto/generate.py), and the comments that make the API readable."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

ROOT = Path(__file__).resolve().parents[2] / "proto"
PROTOS = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.proto"))
GENERATED = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")

Place = tuple[int, ...]
"""Where a declaration stands in its file: field numbers and positions in turn, as SourceCodeInfo has it."""


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("generated")
    subprocess.run([sys.executable, str(ROOT / "generate.py"), str(target)], check=True, timeout=100)
    return target


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FileDescriptorProto]:
    """Every .proto file of ours as protoc reads it, with its comments."""
    import google.rpc.status_pb2

    output = tmp_path_factory.mktemp("descriptors") / "all.binpb"
    google_rpc = Path(google.rpc.status_pb2.__file__).parents[2]
    options = [f"--proto_path={ROOT}", f"--proto_path={google_rpc}", "--include_source_info"]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", *options, f"--descriptor_set_out={output}", *PROTOS]
    subprocess.run(protoc, check=True, timeout=100)
    files = FileDescriptorSet.FromString(output.read_bytes()).file
    return {file.name: file for file in files}


@pytest.mark.parametrize("suffix", GENERATED)
@pytest.mark.parametrize("proto", PROTOS)
def test_the_committed_code_is_what_the_generator_makes(regenerated: Path, proto: str, suffix: str) -> None:
    """Byte for byte: `make proto` was run after the last change."""
    file = proto.removesuffix(".proto") + suffix
    assert (ROOT / file).read_bytes() == (regenerated / file).read_bytes()


def test_no_generated_file_is_left_over(regenerated: Path) -> None:
    """Code whose .proto file is gone is gone too."""
    committed = {path.relative_to(ROOT) for path in ROOT.rglob("*_pb2*") if path.suffix in {".py", ".pyi"}}
    assert committed == {path.relative_to(regenerated) for path in regenerated.rglob("*_pb2*")}


@pytest.mark.parametrize("proto", PROTOS)
def test_everything_in_the_api_has_a_comment(described: dict[str, FileDescriptorProto], proto: str) -> None:
    """Services, calls, messages, fields, oneofs, enums and their values."""
    file = described[proto]
    commented = {
        tuple(location.path) for location in file.source_code_info.location if location.leading_comments.strip()
    }
    declared = dict(declarations(file))
    assert len(declared) >= 10
    assert [name for path, name in declared.items() if path not in commented] == []


def declarations(file: FileDescriptorProto) -> Iterator[tuple[Place, str]]:
    """(path, name) of everything that should be explained."""
    numbers = FileDescriptorProto.DESCRIPTOR.fields_by_name
    for place, service in enumerate(file.service):
        path = (numbers["service"].number, place)
        yield path, service.name
        method = descriptor_pb2.ServiceDescriptorProto.DESCRIPTOR.fields_by_name["method"].number
        yield from (((*path, method, at), f"{service.name}.{rpc.name}") for at, rpc in enumerate(service.method))
    for place, message in enumerate(file.message_type):
        yield from of_message(message, (numbers["message_type"].number, place), message.name)
    for place, enum in enumerate(file.enum_type):
        yield from of_enum(enum, (numbers["enum_type"].number, place), enum.name)


def of_message(message: DescriptorProto, path: Place, name: str) -> Iterator[tuple[Place, str]]:
    numbers = DescriptorProto.DESCRIPTOR.fields_by_name
    yield path, name
    for at, field in enumerate(message.field):
        yield (*path, numbers["field"].number, at), f"{name}.{field.name}"
    for at, oneof in enumerate(message.oneof_decl):
        if any(holds(field, at) and not field.proto3_optional for field in message.field):
            yield (*path, numbers["oneof_decl"].number, at), f"{name}.{oneof.name}"
    for at, enum in enumerate(message.enum_type):
        yield from of_enum(enum, (*path, numbers["enum_type"].number, at), f"{name}.{enum.name}")
    for at, nested in enumerate(message.nested_type):
        if not nested.options.map_entry:
            yield from of_message(nested, (*path, numbers["nested_type"].number, at), f"{name}.{nested.name}")


def holds(field: FieldDescriptorProto, oneof: int) -> bool:
    return field.HasField("oneof_index") and field.oneof_index == oneof


def of_enum(enum: EnumDescriptorProto, path: Place, name: str) -> Iterator[tuple[Place, str]]:
    value = EnumDescriptorProto.DESCRIPTOR.fields_by_name["value"].number
    yield path, name
    yield from (((*path, value, at), f"{name}.{item.name}") for at, item in enumerate(enum.value))
