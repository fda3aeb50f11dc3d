"""A client's output on standard error: a progress bar on a terminal, log lines elsewhere; seldom, for it costs time.

``RecentLog`` keeps the last lines, for a client that shares them.
"""

import contextlib
import io
import logging
import os
import sys
import time
from collections import deque

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from federation.protocol.descriptions import MAX_LOG_LINE_CHARACTERS, MAX_LOG_LINES
from federation.protocol.messages import Task
from federation.protocol.printable import EscapingFormatter

log = logging.getLogger(__name__)

SHOW_SECONDS = 0.1
"""Shortest time between two changes of the bar; a task that is over sooner shows none."""

LINE_SECONDS = 0.5
"""Shortest time between two lines about ended tasks; those in between are counted."""

FORMATTER = EscapingFormatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S")


class TaskConsole:
    """Shows one task at a time. Only the worker's thread may use it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._row = TaskID(0)
        self._last_line_at = 0.0
        self._skipped_lines = 0

    def show_progress(self, task: Task, batch: int, batches: int | None, loss: float | None) -> None:
        """Show that ``batch`` of ``batches`` is done, as long as there is a terminal."""
        if not self._console.is_terminal:
            return
        try:
            self._move_bar(f"{_title(task)}{'' if loss is None else f', loss {loss:.4f}'}", batch, batches)
        except (OSError, ValueError):  # the terminal, or the stream, was closed: the task goes on
            self._console, self._bar = Console(quiet=True, force_terminal=False), None

    def _move_bar(self, title: str, batch: int, batches: int | None) -> None:
        if self._bar is None:
            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
            self._bar = Progress(*columns, console=self._console, auto_refresh=False, transient=True)
            self._row = self._bar.add_task("", total=None)
            self._bar.start()
        self._bar.update(self._row, description=title, completed=batch, total=batches, refresh=True)

    def show_end(self, task: Task, outcome: str, seconds: float) -> None:
        """Log that the task is over, unless the last line was only just written."""
        if self._bar is not None:
            with contextlib.suppress(OSError, ValueError):
                self._bar.stop()
            self._bar = None
        now = time.monotonic()
        if now - self._last_line_at < LINE_SECONDS:
            self._skipped_lines += 1
            return
        before = f" ({self._skipped_lines:,} more since the last line)" if self._skipped_lines else ""
        log.info("%s: %s after %.2f s%s", _title(task), outcome, seconds, before)
        self._last_line_at, self._skipped_lines = now, 0


class RecentLog(logging.Handler):
    """Keeps the last lines of the log and of what apps print. From any thread."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(FORMATTER)
        self._lines: deque[str] = deque(maxlen=MAX_LOG_LINES)

    def follow(self) -> None:
        """Keep every log record from now on, and every line that is printed."""
        logging.getLogger().addHandler(self)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout = _Copied(sys.stdout, self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's lines."""
        self.keep(self.format(record))

    def keep(self, text: str) -> None:
        """Keep the lines of a text, each cut to the length that a message may have."""
        for line in text.encode(errors="backslashreplace").decode().splitlines():
            self._lines.append(line[:MAX_LOG_LINE_CHARACTERS])

    def lines(self) -> list[str]:
        """Return the last lines, oldest first."""
        return list(self._lines.copy())


class _Copied(io.TextIOWrapper):
    """Standard output, of which each whole line goes to a log as well; what else it can do, it does as before."""

    def __init__(self, stream: io.TextIOWrapper, log_lines: RecentLog) -> None:
        super().__init__(
            stream.buffer, stream.encoding, stream.errors, line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )  # fmt: skip
        self._stream, self._log_lines, self._begun = stream, log_lines, ""  # the stream's end would close its buffer

    def write(self, text: str) -> int:
        whole, newline, rest = (self._begun + text).rpartition("\n")
        if newline:
            self._log_lines.keep(whole)
        self._begun = rest[:MAX_LOG_LINE_CHARACTERS]
        return super().write(text)


def open_standard_streams() -> None:
    """Open standard streams that are closed on /dev/null: a socket in their place would get what is written."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False, errors="backslashreplace")
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False, errors="backslashreplace")


def write_log_to(console: Console, *, keep: bool = False) -> RecentLog | None:
    """Let all loggers write to the console, above the bar where there is one; ``keep`` returns their last lines.

    A line that cannot be written, since an app has closed the stream, is lost and ends no thread.
    """
    logging.raiseExceptions = False
    if console.is_terminal:
        handler: logging.Handler = RichHandler(
            console=console, show_path=False, show_level=False, log_time_format="%H:%M:%S"
        )
        handler.setFormatter(EscapingFormatter("%(message)s"))
    else:
        handler = logging.StreamHandler(console.file)
        handler.setFormatter(FORMATTER)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    if not keep:
        return None
    recent = RecentLog()
    recent.follow()
    return recent


def _title(task: Task) -> str:
    return f"run {task.run_id}, round {task.round:,}, {task.phase}"
