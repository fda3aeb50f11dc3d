"""Log lines of the process: structlog over stdlib, one line per entry, with control characters escaped."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

SHARED = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure_logging(level: str) -> None:
    """Send the lines of every logger to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )  # its default also prints the values of variables, which may be secrets
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, escape_controls, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "alembic", "sse_starlette", "uvicorn.error", "websockets"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)


def escape_controls(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    """Replace control characters by their escapes: a client's name could forge a line or colour the terminal."""
    return {key: value if key == "exception" else _escaped(value) for key, value in entry.items()}


def _escaped(value: Any) -> Any:
    if not isinstance(value, str) or value.isprintable():
        return value
    value = value.rstrip()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in value)
