"""Structured logs: one JSON object a line, or readable text on a terminal. Events are constants, facts are fields."""

import logging
import sys
from typing import Literal

import structlog


def configure_logs(*, level: str, form: Literal["auto", "json", "text"]) -> None:
    """Sets up structlog for the process; everything goes to standard error."""
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    renderers: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if text
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    logging.captureWarnings(capture=True)
