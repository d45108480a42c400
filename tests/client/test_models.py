"""Models and health as values."""

import pytest
from grpc_health.v1 import health_pb2
from recognition.v1 import recognition_pb2 as pb
from recognition_client.models import HealthStatus, ModelState, health_status, model_info


def test_every_field_of_a_model_arrives() -> None:
    """Each one is set to a value of its own and read back under its own name."""
    message = pb.Model(
        aliases=["canary", "stable"],
        labels=["coat", "shoe"],
        precisions=["int8", "fp32"],
        state=pb.MODEL_STATE_FAILED,
    )
    values: dict[str, object] = {
        "aliases": ("canary", "stable"),
        "labels": ("coat", "shoe"),
        "precisions": ("int8", "fp32"),
        "state": ModelState.FAILED,
    }
    for number, field in enumerate(pb.Model.DESCRIPTOR.fields, start=1):
        if field.name not in values:
            values[field.name] = f"text {number}" if field.type == field.TYPE_STRING else number
            setattr(message, field.name, values[field.name])
    info = model_info(message)
    assert {name: getattr(info, name) for name in values} == values


@pytest.mark.parametrize("number", pb.ModelState.values())
def test_every_state_of_the_api_is_known(number: pb.ModelState.ValueType) -> None:
    """By the name that the API gives it."""
    name = pb.ModelState.Name(number).removeprefix("MODEL_STATE_")
    assert model_info(pb.Model(state=number)).state is ModelState[name]


def test_a_newer_state_is_unspecified() -> None:
    assert model_info(pb.Model(state=99)).state is ModelState.UNSPECIFIED  # type: ignore[arg-type]  # a newer server's


@pytest.mark.parametrize("number", health_pb2.HealthCheckResponse.ServingStatus.values())
def test_every_health_status_is_known(number: int) -> None:
    """By its own name."""
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(number)
    assert health_status(health_pb2.HealthCheckResponse(status=number)) is HealthStatus[name]
