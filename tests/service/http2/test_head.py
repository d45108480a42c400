"""The head of a call (service/http2/head.py): what its fields say, and which are none."""

import grpc
import pytest

from service.http2.head import Head, Malformed, head_of

GOOD = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b":authority", b"localhost:1"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
)


def head(*more: tuple[bytes, bytes], **changed: bytes | None) -> Head:
    """Of good fields with some changed, left out, or added."""
    fields = [(name, changed.get(name.decode().strip(":").replace("-", "_"), value)) for name, value in GOOD]
    return head_of([(name, value) for name, value in fields if value is not None] + list(more), largest=2000)


def test_what_it_says() -> None:
    found = head(
        (b"grpc-timeout", b"250m"),
        (b"user-agent", b"test"),
        (b"grpc-encoding", b"identity"),
        (b"x-many-bin", b"AP8,AQ"),
        (b"x-padded-bin", b"AP8="),
    )
    assert found == Head(
        path="/a.B/C",
        timeout_seconds=0.25,
        metadata=(
            ("user-agent", "test"),
            ("x-many-bin", b"\x00\xff"),
            ("x-many-bin", b"\x01"),
            ("x-padded-bin", b"\x00\xff"),
        ),
    )


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(b"1H", 3600), (b"2M", 120), (b"3S", 3), (b"4m", 0.004), (b"5u", 5e-6), (b"6n", 6e-9), (b"99999999H", 3.6e11)],
)
def test_times(timeout: bytes, seconds: float) -> None:
    assert head((b"grpc-timeout", timeout)).timeout_seconds == pytest.approx(seconds)


@pytest.mark.parametrize("timeout", [b"", b"1", b"S", b"-1S", b"1.5S", b"123456789S", b"1s", b"1S ", b"\xd9\xa1S"])
def test_times_that_are_none(timeout: bytes) -> None:
    with pytest.raises(Malformed):
        head((b"grpc-timeout", timeout))


@pytest.mark.parametrize("name", ["method", "scheme", "path"])
def test_what_every_request_has(name: str) -> None:
    with pytest.raises(Malformed):
        head(**{name: None})


@pytest.mark.parametrize(
    "field",
    [
        (b":path", b"/again"),
        (b":status", b"200"),
        (b"X-Upper", b"1"),
        (b"", b"1"),
        (b"with space", b"1"),
        (b"with\x00zero", b"1"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"h2c"),
        (b"te", b"gzip"),
        (b"x", b"line\r\nbreak"),
        (b"x", b"\x00"),
        (b"x-bin", b"!!!"),
        (b"x-bin", b"A"),
    ],
)
def test_fields_that_no_request_has(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(Malformed):
        head(field)


def test_pseudo_fields_come_first() -> None:
    with pytest.raises(Malformed):
        head_of((GOOD[4], *GOOD[:4], GOOD[5]), largest=2000)


@pytest.mark.parametrize("path", [b"*", b"a.B/C", b"", b"/\xff"])
def test_a_path_is_one(path: bytes) -> None:
    with pytest.raises(Malformed):
        head(path=path)


@pytest.mark.parametrize("content_type", [b"application/grpc", b"application/grpc+proto", b"application/grpc;x=1"])
def test_media_types_of_grpc(content_type: bytes) -> None:
    assert head(content_type=content_type).refusal is None


@pytest.mark.parametrize(
    "content_type", [b"application/json", b"application/grpc-web", b"application/grpcfoo", b"", None]
)
def test_other_media_types(content_type: bytes | None) -> None:
    refusal = head(content_type=content_type).refusal
    assert refusal is not None
    assert refusal.http_status == 415


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"snappy", b""])
def test_encodings_that_are_not_read(encoding: bytes) -> None:
    refusal = head((b"grpc-encoding", encoding)).refusal
    assert refusal is not None
    assert refusal.code is grpc.StatusCode.UNIMPLEMENTED


def test_too_much_is_refused_and_not_looked_into() -> None:
    refusal = head(*[(b"x-bin", b"AAAA")] * 60).refusal
    assert refusal is not None
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
