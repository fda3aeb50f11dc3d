"""Text of a peer made fit for a log or a terminal: control characters are replaced by their escapes."""

import logging
from typing import Any


def escape_controls(text: str) -> str:
    """Return the text on one line without control characters, which could forge a line or colour the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text.rstrip())


def escape_lines(text: str, indent: str = "    ") -> str:
    """Return a traceback with each of its lines escaped and indented: none of them can be taken for a log entry."""
    return "\n".join(indent + escape_controls(line) for line in text.split("\n") if line)


class EscapingFormatter(logging.Formatter):
    """Writes a record on one line, and the lines of its traceback indented below."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # logging calls it so
        """Return the line of a record."""
        return escape_controls(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        """Return the lines of a traceback."""
        return escape_lines(super().formatException(ei))
