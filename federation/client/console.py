"""How a client shows its work on standard error: a bar on a terminal, plain lines elsewhere; seldom: it costs time."""

import logging
import time

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from federation.protocol.messages import Task

log = logging.getLogger(__name__)

SHOW_SECONDS = 0.1
"""Shortest time between two changes of the bar; a task that is over sooner has none."""
LINE_SECONDS = 0.5
"""Shortest time between two lines of tasks that went well; those in between are counted."""


class Display:
    """Shows one task at a time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._row = TaskID(0)
        self._last_line = 0.0
        self._unsaid = 0

    def progress(self, task: Task, batch: int, batches: int | None, loss: float | None) -> None:
        """Show that ``batch`` of ``batches`` is done."""
        if not self._console.is_terminal:
            return
        if self._bar is None:
            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
            self._bar = Progress(*columns, console=self._console, auto_refresh=False, transient=True)
            self._row = self._bar.add_task("", total=None)
            self._bar.start()
        shown = f"{_title(task)}{'' if loss is None else f', loss {loss:.4f}'}"
        self._bar.update(self._row, description=shown, completed=batch, total=batches, refresh=True)

    def close(self, task: Task, outcome: str, seconds: float) -> None:
        """The task is over; say so, unless the last line is only just written."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        now = time.monotonic()
        if now - self._last_line < LINE_SECONDS:
            self._unsaid += 1
            return
        before = f" ({self._unsaid} more since the last line)" if self._unsaid else ""
        log.info("%s: %s after %.2f s%s", _title(task), outcome, seconds, before)
        self._last_line, self._unsaid = now, 0


def write_log_to(console: Console) -> None:
    """Send what is logged to the console, above the bar where there is one."""
    if console.is_terminal:
        handler: logging.Handler = RichHandler(
            console=console, show_path=False, show_level=False, log_time_format="%H:%M:%S"
        )
    else:
        handler = logging.StreamHandler(console.file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _title(task: Task) -> str:
    return f"run {task.run_id}, round {task.round}, {task.phase}"
