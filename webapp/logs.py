"""Log lines of the process: structlog over stdlib, for people or as JSON, with control characters escaped.

Entries have the ids of ``structlog.contextvars``: run and round of a run's thread, client of a connection, request.
"""

import io
import logging
import sys
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from federation.protocol.printable import escape_controls, escape_lines

SHARED = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure_logging(level: str, *, as_json: bool = False) -> None:
    """Send the lines of every logger, and what ends a thread, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=SHARED, processors=[remove, *_renderers(as_json)])
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "alembic", "sse_starlette", "uvicorn.error", "websockets"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    sys.excepthook = _log_end_of_process
    threading.excepthook = _log_end_of_thread


def _renderers(as_json: bool) -> Iterable[Processor]:
    if as_json:
        return structlog.processors.format_exc_info, structlog.processors.JSONRenderer()
    return escape_entry, structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=_write_traceback
    )


def escape_entry(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    """Escape the texts of an entry: a client's name could forge a line or colour the terminal."""
    return {key: escape_controls(value) if isinstance(value, str) else value for key, value in entry.items()}


def _write_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    """Write a traceback below its entry; without the values of variables, which may be secrets."""
    text = io.StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    stream.write("\n" + escape_lines(text.getvalue()))


def _log_end_of_process(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:  # fmt: skip
    if not isinstance(error, KeyboardInterrupt):
        logging.getLogger("webapp").critical("the process ends by an error", exc_info=(kind, error, traceback))


def _log_end_of_thread(ended: Any) -> None:
    if ended.exc_type is SystemExit:
        return
    name = ended.thread.name if ended.thread is not None else "of unknown name"
    error = ended.exc_value or ended.exc_type()
    logging.getLogger("webapp").error(
        "thread %s ended by an error", name, exc_info=(ended.exc_type, error, ended.exc_traceback)
    )
