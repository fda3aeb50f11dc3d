"""Progress reports from inside a ClientApp. A report also ends the task if the server has cancelled it.

Public API of people's own apps.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class TaskCancelled(Exception):
    """The server has cancelled this task: the client abandons it and waits for the next one."""


Reporter = Callable[[int, int | None, float | None], None]
"""A function of the arguments of ``report_progress``."""

_reporter: ContextVar[Reporter | None] = ContextVar("meadow_reporter", default=None)


def report_progress(batch: int, batches: int | None = None, loss: float | None = None) -> None:
    """Report that ``batch`` of ``batches`` is done, with the running loss.

    Call it after every batch: the client sends at most two reports a second. Outside a task it does nothing.

    Raises
    ------
    TaskCancelled
        If the server has cancelled the task. Do not catch it: the client does.
    """
    reporter = _reporter.get()
    if reporter is not None:
        reporter(batch, batches, loss)


@contextmanager
def reporting_to(reporter: Reporter) -> Iterator[None]:
    """Pass the reports made within the block, in this thread or context, to ``reporter``."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)
