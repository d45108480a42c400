"""The blocking client against a real server."""

import socket
import time
from pathlib import Path

import grpc
import pytest
from google.rpc.status_pb2 import Status
from recognition.v1 import recognition_pb2 as pb
from recognition_client import (
    Classification,
    DeadlineExceeded,
    HealthStatus,
    ImageError,
    ImageRejected,
    ModelNotFound,
    Overloaded,
    RecognitionClient,
    ServerUnreachable,
    Unavailable,
    channel,
)

from tests.client.fake_service import FakeService, RunningServer, serving, status

AWAY = status(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", "The server stops.")
SLOW_SECONDS = 5.0
FULL = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "The queue is full.", retry_seconds=2)


def labels(outcomes: list[Classification | ImageError]) -> list[str]:
    """The best label, or the reason where there is none."""
    return [o.reason if isinstance(o, ImageError) else o.predictions[0].label for o in outcomes]


def test_one_image_is_classified(client: RecognitionClient, service: FakeService, tmp_path: Path) -> None:
    """From bytes or from a file; the request says all that was asked."""
    file = tmp_path / "shoe.png"
    file.write_bytes(b"shoe")
    for image in (b"shoe", file, str(file)):
        result = client.classify(image, model="m", alias="canary", top_k=2, min_confidence=0.75)
        assert [p.label for p in result.predictions] == ["shoe", "second"]
        assert (result.unknown, result.model.version, result.times.batch_size) == (True, 3, 7)
    options = pb.ClassifyOptions(top_k=2, min_confidence=0.75)
    asked = pb.ClassifyRequest(model=pb.ModelSelector(name="m", alias="canary"), image=b"shoe", options=options)
    assert service.requests == [asked] * 3


def test_a_bad_image_alone_is_an_exception(client: RecognitionClient, tmp_path: Path) -> None:
    """The service's refusal, or the system's for a file that is not there."""
    with pytest.raises(ImageRejected, match="This is no image"):
        client.classify(b"bad")
    with pytest.raises(FileNotFoundError):
        client.classify(tmp_path / "missing.png")


def test_a_bad_image_among_others_harms_none(client: RecognitionClient, tmp_path: Path) -> None:
    """Outcomes stand in the order of the images, unreadable files among them."""
    found = client.batch_classify([b"a", b"bad", tmp_path / "missing.png", b"b"])
    assert labels(found) == ["a", "IMAGE_UNREADABLE", "FILE_UNREADABLE", "b"]
    assert isinstance(found[0], Classification)
    assert found[0].model.digest == "d" * 64


def test_a_large_batch_travels_in_several_requests(client: RecognitionClient, service: FakeService) -> None:
    """And comes back as one list in order."""
    images = [b"%d" % i for i in range(150)]
    assert labels(client.batch_classify(images)) == [str(i) for i in range(150)]
    assert service.batch_sizes == [64, 64, 22]


def test_no_images_need_no_server(nobody: str, tmp_path: Path) -> None:
    """Nor do files that cannot be read."""
    with RecognitionClient(nobody) as client:
        assert client.batch_classify([]) == []
        assert labels(client.batch_classify([tmp_path])) == ["FILE_UNREADABLE"]


def test_a_server_with_lower_limits_gets_smaller_requests(client: RecognitionClient, service: FakeService) -> None:
    """A batch that is too large is halved until it is not."""
    service.max_images = 2
    assert labels(client.batch_classify([b"0", b"1", b"bad", b"3", b"4"])) == ["0", "1", "IMAGE_UNREADABLE", "3", "4"]
    assert service.batch_sizes == [5, 2, 3, 1, 2]


def test_an_image_too_large_for_the_server_harms_no_other() -> None:
    """Where gRPC itself refuses the message, the batch is halved until that image stands alone."""
    server = RunningServer(FakeService(), options=[("grpc.max_receive_message_length", 1000)])
    with RecognitionClient(server.target, max_attempts=1) as client:
        found = client.batch_classify([b"a", b"b", bytes(2000), b"c"])
        with pytest.raises(ImageRejected, match="too large for 127"):
            client.classify(bytes(2000))
    server.stop()
    assert labels(found) == ["a", "b", "IMAGE_TOO_LARGE", "c"]


def test_what_concerns_all_images_is_an_exception(client: RecognitionClient, service: FakeService) -> None:
    """An unknown model does not become an error for each image."""
    service.failures.append(status(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND"))
    with pytest.raises(ModelNotFound):
        client.batch_classify([b"a", b"b"])


def test_models_are_listed_over_all_pages(client: RecognitionClient, service: FakeService) -> None:
    """Five models in pages of two are three calls and one list."""
    service.models = [pb.Model(name="m", version=version) for version in range(1, 6)]
    assert [model.version for model in client.list_models()] == [1, 2, 3, 4, 5]
    assert len(service.requests) == 3


def test_one_model_is_asked_for(client: RecognitionClient) -> None:
    """By name and version."""
    model = client.get_model("m", version=4)
    assert (model.name, model.version) == ("m", 4)


def test_health_of_the_server_and_of_a_model(client: RecognitionClient, service: FakeService) -> None:
    """A name that the server does not know is an answer and not an exception."""
    serving(service, "well", well=True)
    serving(service, "ill", well=False)
    assert [client.health(name) for name in ("", "well", "ill", "other")] == [
        HealthStatus.SERVING,
        HealthStatus.SERVING,
        HealthStatus.NOT_SERVING,
        HealthStatus.SERVICE_UNKNOWN,
    ]


@pytest.mark.parametrize("failure", [AWAY, FULL])
@pytest.mark.parametrize("size", [10, 2**20])
def test_a_server_that_is_away_or_full_is_asked_again(
    client: RecognitionClient, service: FakeService, failure: Status, size: int
) -> None:
    """With small images and with ones above gRPC's own limit for retries."""
    service.failures.extend([failure, failure])
    assert client.classify(b"s" * size).predictions
    assert len(service.requests) == 3


def test_retries_end(client: RecognitionClient, service: FakeService) -> None:
    """After as many attempts as were allowed, with the last refusal."""
    service.failures.extend([FULL] * 20)
    with pytest.raises(Overloaded) as caught:
        client.classify(b"shoe")
    assert len(service.requests) == 4
    assert caught.value.retry_after_seconds == 2.5


@pytest.mark.parametrize(("attempts", "calls"), [(1, 1), (2, 2), (5, 5)])
def test_the_number_of_attempts_is_the_callers(target: str, service: FakeService, attempts: int, calls: int) -> None:
    """1 means that nothing is asked twice."""
    service.failures.extend([AWAY] * 20)
    with RecognitionClient(target, max_attempts=attempts) as client, pytest.raises(Unavailable):
        client.classify(b"shoe")
    assert len(service.requests) == calls


def test_a_mistake_is_not_repeated(client: RecognitionClient, service: FakeService) -> None:
    """Asking again would not help."""
    with pytest.raises(ImageRejected):
        client.classify(b"bad")
    assert len(service.requests) == 1


def test_the_server_says_when_to_come_back(client: RecognitionClient, service: FakeService) -> None:
    """A pushback takes the place of the client's own pause; a negative one ends the retries."""
    service.failures.append(FULL)
    service.pushback_ms = 600
    began = time.monotonic()
    assert client.classify(b"shoe").predictions
    assert time.monotonic() - began >= 0.6
    service.requests.clear()
    service.failures.append(FULL)
    service.pushback_ms = -1
    with pytest.raises(Overloaded):
        client.classify(b"shoe")
    assert len(service.requests) == 1


def test_the_deadline_is_kept_and_the_server_sees_it(client: RecognitionClient, service: FakeService) -> None:
    """That of the call, or that of the client."""
    client.classify(b"shoe")
    service.delay_seconds = SLOW_SECONDS
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="no answer in time"):
        client.classify(b"shoe", timeout_seconds=0.3)
    assert 0.25 < time.monotonic() - began < SLOW_SECONDS
    first, second = service.seconds_left
    assert first is not None
    assert 5 < first < 10.5  # gRPC rounds up what it tells the server
    assert second is not None
    assert second < 0.35


def test_where_nothing_listens_the_target_is_named_at_once(nobody: str) -> None:
    """Long before the deadline."""
    began = time.monotonic()
    with RecognitionClient(nobody) as client, pytest.raises(ServerUnreachable, match=nobody):
        client.health()
    assert time.monotonic() - began < 9


def test_a_listener_that_never_speaks_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A black hole, or another program: the time to connect ends it, and not the deadline."""
    monkeypatch.setattr(channel, "_CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = RecognitionClient(f"127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with client, pytest.raises(ServerUnreachable):
            client.health()
        assert time.monotonic() - began < 9


def test_calls_are_spread_over_all_addresses_and_survive_the_loss_of_one() -> None:
    """As behind `dns:///NAME:PORT` with many addresses."""
    services = [FakeService(), FakeService()]
    servers = [RunningServer(service) for service in services]
    with RecognitionClient("ipv4:" + ",".join(server.target for server in servers)) as client:
        deadline = time.monotonic() + 60
        while not all(service.requests for service in services):  # until both are connected
            assert time.monotonic() < deadline
            client.classify(b"shoe")
        servers[0].stop()
        for _ in range(10):
            assert client.classify(b"shoe").predictions
    servers[1].stop()


def test_a_name_is_resolved_by_grpc(target: str) -> None:
    """The form that a headless service in a cluster is given by."""
    port = target.rpartition(":")[2]
    with RecognitionClient(f"dns:///localhost:{port}") as client:
        assert client.health() is HealthStatus.SERVING
