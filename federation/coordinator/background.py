"""Work that nothing can interrupt, in a thread of its own: the run's thread heeds people meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from federation.coordinator.control import Control

NAME = "aggregation"
LOOK_SECONDS = 0.05

_T = TypeVar("_T")


def work_aside(work: Callable[[], _T], control: Control) -> _T:
    """Return what ``work`` returns, or raise what it raises; raise as ``Control.check`` does as soon as people ask.

    What is left behind then works to its end, and nobody looks at what comes of it. Other work begins only after that,
    so that memory holds one. The thread is a daemon: the process does not wait for it.
    """
    for left_behind in threading.enumerate():
        if left_behind.name == NAME:
            _watch(left_behind, control)
    done = Future[_T]()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    thread = threading.Thread(target=run, name=NAME, daemon=True)
    thread.start()
    _watch(thread, control)
    return done.result()


def _watch(thread: threading.Thread, control: Control) -> None:
    while thread.is_alive():
        control.check()
        thread.join(LOOK_SECONDS)
    control.check()
