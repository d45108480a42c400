"""Structured logs: one JSON object a line, or readable text on a terminal. Events are constants, facts are fields."""

import logging
import sys
from collections.abc import Sequence
from typing import Literal

import structlog
from structlog.tracebacks import ExceptionDictTransformer

TRACEBACKS = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
"""As JSON; like those in text, without the values of variables: those are clients' images and credentials."""


def configure_logs(
    *,
    level: str,
    form: Literal["auto", "json", "text"],
    processors: Sequence[structlog.typing.Processor] = (),
) -> None:
    """Sets up structlog for the process, and the errors of libraries with it; everything goes to standard error.

    `processors` add what is known where the line was written, such as the call's id.
    """
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    renderers: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if text
        else [TRACEBACKS, structlog.processors.JSONRenderer()]
    )
    facts: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        *processors,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*facts, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*facts, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(level=logging.ERROR, handlers=[handler])
    logging.captureWarnings(capture=True)
