"""The doctor on ports and the collector (service/doctor/ports.py)."""

import socket
from pathlib import Path

from service.doctor.finding import Verdict
from tests.service.doctor.subjects import findings


def test_a_taken_port_is_a_failure_with_its_option(models: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        finding = findings(models, grpc_port=other.getsockname()[1])["grpc_port"]
    assert finding.verdict is Verdict.FAILURE
    assert "--grpc-port" in finding.advice


def test_one_number_for_two_ports_is_a_failure(models: Path) -> None:
    """Each alone could be bound."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    found = findings(models, grpc_port=number, http_port=number)
    assert {found["grpc_port"].verdict, found["http_port"].verdict} == {Verdict.OK, Verdict.FAILURE}


def test_an_address_of_version_6_is_one(models: Path) -> None:
    """As the service itself binds it."""
    assert findings(models, host="::1")["grpc_port"].verdict is Verdict.OK


def test_a_collector_that_is_away_is_a_warning(models: Path) -> None:
    """It harms no call; an endpoint that is no URL keeps the service from starting."""
    with socket.create_server(("127.0.0.1", 0)) as collector:
        endpoint = f"http://127.0.0.1:{collector.getsockname()[1]}"
        assert findings(models, traces_endpoint=endpoint)["traces"].verdict is Verdict.OK
    assert findings(models, traces_endpoint=endpoint)["traces"].verdict is Verdict.WARNING
    wrong = findings(models, traces_endpoint="127.0.0.1:4317")["traces"]
    assert wrong.verdict is Verdict.FAILURE
    assert "http://HOST:PORT" in wrong.saw
    assert findings(models, traces_endpoint="http://127.0.0.1:70000")["traces"].verdict is Verdict.FAILURE
