"""The settings (service/config.py): who wins, where each value came from, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.config import Settings, SettingsInvalid, read_settings
from service.engine.providers import Device


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "serve.toml"


def test_defaults_stand_where_nothing_is_set() -> None:
    """Every setting has a default, and says so."""
    read = read_settings({})
    assert read.settings == Settings()
    assert read.origins == dict.fromkeys(Settings.model_fields, "default")


def test_the_command_line_wins_over_environment_over_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source overrides the ones below it, and only what it sets."""
    file.write_text("grpc_port = 1\nhttp_port = 1\nmetrics_port = 1\n")
    monkeypatch.setenv("RECOGNITION_GRPC_PORT", "2")
    monkeypatch.setenv("RECOGNITION_HTTP_PORT", "2")
    read = read_settings({"grpc_port": 3}, file=file)
    settings = read.settings
    assert (settings.grpc_port, settings.http_port, settings.metrics_port) == (3, 2, 1)
    assert read.origins["grpc_port"] == "command line"
    assert read.origins["http_port"] == "environment"
    assert read.origins["metrics_port"] == f"file {file}"
    assert read.origins["host"] == "default"


def test_options_that_were_not_given_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """None on the command line leaves the value to the other sources; false does not."""
    monkeypatch.setenv("RECOGNITION_DEVICE", "cpu")
    read = read_settings({"device": None, "http": False})
    assert (read.settings.device, read.origins["device"]) == (Device.CPU, "environment")
    assert (read.settings.http, read.origins["http"]) == (False, "command line")


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """As deployment templates leave them."""
    monkeypatch.setenv("RECOGNITION_GRPC_PORT", "")
    read = read_settings({})
    assert (read.settings.grpc_port, read.origins["grpc_port"]) == (8001, "default")


def test_variables_may_be_written_in_small_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upper case is only the custom."""
    monkeypatch.setenv("recognition_grpc_port", "4")
    assert read_settings({}).settings.grpc_port == 4


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error is not silently ignored."""
    monkeypatch.setenv("RECOGNITION_GRPC_PROT", "1")
    with pytest.raises(SettingsInvalid, match=r"RECOGNITION_GRPC_PROT.*no setting"):
        read_settings({})


@pytest.mark.parametrize("text", ["grpc_prot = 1", "[grpc]\nport = 1", "GRPC_PORT = 1"])
def test_an_unknown_key_is_named_with_its_file(file: Path, text: str) -> None:
    """Tables and other spellings are unknown too."""
    file.write_text(text)
    key = text.strip("[").replace("]", " ").split()[0]
    with pytest.raises(SettingsInvalid, match=f"serve.toml sets {key},"):
        read_settings({}, file=file)


def test_the_client_s_variable_is_tolerated(monkeypatch: pytest.MonkeyPatch) -> None:
    """RECOGNITION_SERVER is for the command `recognition` on the same machine."""
    monkeypatch.setenv("RECOGNITION_SERVER", "localhost:8001")
    assert read_settings({}).settings == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grpc_port", "70000"),
        ("grpc_port", "-1"),
        ("device", "tpu"),
        ("max_batch_size", "0"),
        ("max_delay_ms", "nan"),
        ("default_deadline_seconds", "0"),
        ("drain_seconds", "inf"),
        ("http", "perhaps"),
        ("log_level", "loud"),
    ],
)
def test_wrong_values_are_named_with_their_origin(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Range, kind and choice are checked before anything starts."""
    monkeypatch.setenv(f"RECOGNITION_{name.upper()}", value)
    with pytest.raises(SettingsInvalid, match=rf"^{name} \(environment\): "):
        read_settings({})


def test_the_origin_of_a_wrong_value_is_the_source_that_set_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right value below does not take the blame."""
    file.write_text('device = "tpu"')
    with pytest.raises(SettingsInvalid, match=r"^device \(file .*serve.toml\): "):
        read_settings({}, file=file)
    assert read_settings({"device": "cpu"}, file=file).settings.device is Device.CPU
    monkeypatch.setenv("RECOGNITION_DEVICE", "cpu")
    with pytest.raises(SettingsInvalid, match=r"^device \(command line\): "):
        read_settings({"device": "tpu"}, file=file)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "cannot be read: No such file"), (b"grpc_port =", "is not TOML"), (b"host = '\xff'", "is not TOML")],
)
def test_a_file_that_is_none_is_refused(file: Path, content: bytes | None, complaint: str) -> None:
    """Missing, broken, or not UTF-8."""
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsInvalid, match=f"serve.toml {complaint}"):
        read_settings({}, file=file)


def test_settings_are_frozen() -> None:
    """What was validated at the start stays so."""
    settings: Any = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.grpc_port = 1


def test_settings_read_nothing_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `read_settings` asks the environment, so that every origin is known."""
    monkeypatch.setenv("RECOGNITION_GRPC_PORT", "2")
    assert Settings().grpc_port == 8001


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_explained(name: str) -> None:
    """The class is the reference manual: a sentence for each field."""
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")
