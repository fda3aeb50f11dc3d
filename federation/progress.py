"""How code inside a ClientApp tells how far it is, and learns that its task was cancelled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class TaskCancelled(Exception):
    """The server needs this task no more; the client abandons it and waits for the next one."""


Reporter = Callable[[int, int | None, float | None], None]
_reporter: ContextVar[Reporter | None] = ContextVar("meadow_reporter", default=None)


def report_progress(batch: int, batches: int | None = None, loss: float | None = None) -> None:
    """Say that ``batch`` of ``batches`` is done, with the running loss.

    Call it after every batch: what is sent is thinned out to twice a second. Outside a task it does nothing.

    Raises
    ------
    TaskCancelled
        When the server has cancelled the task. Let it pass: the client catches it.
    """
    reporter = _reporter.get()
    if reporter is not None:
        reporter(batch, batches, loss)


@contextmanager
def reporting_to(reporter: Reporter) -> Iterator[None]:
    """Send what ``report_progress`` says within the block to ``reporter``."""
    token = _reporter.set(reporter)
    try:
        yield
    finally:
        _reporter.reset(token)
