"""The configuration of a channel: what is refused, and what gRPC is told."""

import json

import pytest
from recognition_client import channel
from recognition_client.channel import _PAUSE_SECONDS, MAX_MESSAGE_BYTES, ChannelConfig


def config(target: str = "host:1", timeout_seconds: float = 10.0, max_attempts: int = 4) -> ChannelConfig:
    return ChannelConfig(target=target, timeout_seconds=timeout_seconds, max_attempts=max_attempts)


@pytest.mark.parametrize("target", ["", "http://host:1", "https://host:1"])
def test_a_web_address_is_no_target(target: str) -> None:
    """The error says how a target is written."""
    with pytest.raises(ValueError, match="HOST:PORT"):
        config(target)


@pytest.mark.parametrize("target", ["host:1", "dns:///name.space:8001", "ipv4:10.0.0.1:1,10.0.0.2:1", "unix:/run/x"])
def test_any_grpc_target_is_taken_as_it_is(target: str) -> None:
    """Resolving is gRPC's work."""
    assert config(target).target == target


@pytest.mark.parametrize("attempts", [0, 6])
def test_attempts_that_grpc_would_not_make_are_refused(attempts: int) -> None:
    """It stops at five without a word."""
    with pytest.raises(ValueError, match="1 to 5"):
        config(max_attempts=attempts)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_every_call_has_a_deadline(seconds: float) -> None:
    """Neither the client nor a call can do without."""
    with pytest.raises(ValueError, match="positive"):
        config(timeout_seconds=seconds)
    with pytest.raises(ValueError, match="positive"):
        config().deadline(seconds)


def test_a_call_may_have_its_own_deadline() -> None:
    """Else it has that of the client."""
    assert (config().deadline(None), config().deadline(0.5)) == (10.0, 0.5)


def test_messages_are_limited_in_both_directions() -> None:
    """And a message of any size that may be sent may be retried."""
    options = dict(config().options)
    limits = ("max_send_message_length", "max_receive_message_length", "per_rpc_retry_buffer_size")
    assert {options[f"grpc.{limit}"] for limit in limits} == {MAX_MESSAGE_BYTES}


def test_one_attempt_means_no_retry() -> None:
    """The policy is left out; the balancing stays."""
    service_config = json.loads(dict(config(max_attempts=1).options)["grpc.service_config"])
    assert service_config == {"loadBalancingConfig": [{"round_robin": {}}]}


def test_the_pauses_between_attempts_begin_at_a_tenth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """And are a second at most. The other tests have shorter ones."""
    monkeypatch.setattr(channel, "_PAUSE_SECONDS", _PAUSE_SECONDS)
    service_config = json.loads(dict(config().options)["grpc.service_config"])
    policy = service_config["methodConfig"][0]["retryPolicy"]
    assert (policy["initialBackoff"], policy["maxBackoff"], policy["backoffMultiplier"]) == ("0.1s", "1.0s", 2)


@pytest.mark.parametrize(
    ("target", "watched"), [("dns:///name.space:8001", True), ("ipv4:10.0.0.1:1,10.0.0.2:1", True), ("host:1", False)]
)
def test_replicas_that_say_they_stop_are_left_out(target: str, watched: bool) -> None:
    """Where there may be others; a server that was named alone is asked whatever it says of itself."""
    service_config = json.loads(dict(config(target).options)["grpc.service_config"])
    assert ("healthCheckConfig" in service_config) is watched
