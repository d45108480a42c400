"""The logs (service/logs.py): one JSON object a line, whatever is in it, or text on a terminal."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import structlog

from service.logs import configure_logs


class Terminal(io.StringIO):
    """Standard error as it is when somebody looks at it."""

    def isatty(self) -> bool:
        return True


Configure = Callable[..., io.StringIO]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Sets the logs up, and gives what they are written to."""

    def call(
        *, level: str = "info", form: Literal["auto", "json", "text"] = "auto", terminal: bool = False
    ) -> io.StringIO:
        stream = Terminal() if terminal else io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        configure_logs(level=level, form=form)
        return stream

    yield call
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_event_is_one_json_object_with_time_and_level(configure: Configure) -> None:
    """Facts are fields beside the constant event."""
    stream = configure()
    structlog.get_logger().info("model ready", model="thirds", load_seconds=0.5)
    (entry,) = entries(stream)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "model ready", "level": "info", "model": "thirds", "load_seconds": 0.5}


@pytest.mark.parametrize("text", ['two\nlines\r\n{"event": "forged"}', "\x1b[31mred", "\u2028", "x" * 70_000, "\udcff"])
def test_nothing_that_a_client_sends_begins_a_new_line(configure: Configure, text: str) -> None:
    """Line breaks and control characters are escaped, and come back when the line is parsed."""
    stream = configure()
    structlog.get_logger().info("call refused", sentence=text)
    written = stream.getvalue()
    assert written.endswith("\n")
    assert written.rstrip("\n").isprintable()
    assert [entry["sentence"] for entry in entries(stream)] == [text]


@pytest.mark.parametrize(
    ("level", "logged"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_what_is_below_the_level_is_left_out(configure: Configure, level: str, logged: list[str]) -> None:
    """The level of the settings is the least that is logged."""
    stream = configure(level=level)
    log = structlog.get_logger()
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("event")
    assert [entry["level"] for entry in entries(stream)] == logged


def test_a_traceback_is_part_of_its_line(configure: Configure) -> None:
    """The exception's type and words are in the JSON, not below it."""
    stream = configure()
    fail()
    (entry,) = entries(stream)
    assert (entry["exception"][0]["exc_type"], entry["exception"][0]["exc_value"]) == ("ValueError", "the cause")


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_traceback_does_not_show_the_values_of_variables(configure: Configure, form: str) -> None:
    """They may be clients' images and credentials."""
    stream = configure(form=form)
    fail(credentials="a client's")
    assert "the cause" in stream.getvalue()
    assert "a client's" not in stream.getvalue()


def fail(*, credentials: str = "") -> None:
    try:
        raise ValueError("the cause")
    except ValueError:
        structlog.get_logger().exception("call failed")


@pytest.mark.parametrize(
    ("form", "terminal", "is_json"),
    [
        ("auto", False, True),
        ("auto", True, False),
        ("json", True, True),
        ("text", False, False),
    ],
)
def test_the_form_follows_the_settings_and_the_terminal(
    configure: Configure, form: str, terminal: bool, is_json: bool
) -> None:
    """Auto is text for people and JSON for machines."""
    stream = configure(form=form, terminal=terminal)
    structlog.get_logger().info("ready", model="thirds")
    assert stream.getvalue().startswith("{") is is_json
    assert "ready" in stream.getvalue()


def test_text_has_colours_on_a_terminal_only(configure: Configure) -> None:
    """No escape codes in a file."""
    for terminal in (True, False):
        stream = configure(form="text", terminal=terminal)
        structlog.get_logger().info("ready")
        assert ("\x1b" in stream.getvalue()) is terminal
