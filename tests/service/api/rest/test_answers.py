"""JSON answers from the messages of recognition.v1."""

import pytest
from recognition.v1 import recognition_pb2 as pb

from service.api.rest import answers
from service.models.registry import Entry, State
from tests.service.in_process import InProcess


def test_every_field_is_there_under_its_name_in_the_proto() -> None:
    """Also those that are zero or empty."""
    fields = answers.fields_of(pb.StageTimes(batch_size=2))
    assert set(fields) == {field.name for field in pb.StageTimes.DESCRIPTOR.fields}
    assert (fields["batch_size"], fields["queue_seconds"]) == (2, 0.0)


@pytest.mark.parametrize("state", [State.UNLOADED, State.LOADING, State.FAILED])
def test_a_version_that_does_not_answer_is_described_too(state: State) -> None:
    """By its state and the reason."""
    described = answers.model(Entry(name="shoes", version=2, state=state, reason="because"))
    assert (described.state, described.state_reason, described.labels) == (state.name, "because", [])


async def test_the_served_model_is_named_with_its_digest(service: InProcess) -> None:
    """A number, not the text that protobuf's JSON makes of it."""
    live = service.live()
    served = answers.served_model(live)
    assert (served.name, served.version, served.digest) == ("thirds", 1, live.digest)
