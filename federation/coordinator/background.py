"""Work that cannot be interrupted, in a thread of its own, so that the run's thread still reacts to a stop."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

from federation.coordinator.control import Control

THREAD_NAME = "aggregation"
CHECK_SECONDS = 0.05

_T = TypeVar("_T")


def run_in_background(work: Callable[[], _T], control: Control) -> _T:
    """Return the result of ``work`` or raise its exception; raise as ``Control.check`` does as soon as the run ends.

    Work that is abandoned then continues to its end, and its result is dropped. The next work starts only after that,
    so that memory holds one aggregate at a time. The thread is a daemon: the process does not wait for it.
    """
    for abandoned in threading.enumerate():
        if abandoned.name == THREAD_NAME:
            _wait_for(abandoned, control)
    result = Future[_T]()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    context = copy_context()  # log entries keep the ids of the run
    thread = threading.Thread(target=context.run, args=(run,), name=THREAD_NAME, daemon=True)
    thread.start()
    _wait_for(thread, control)
    return result.result()


def _wait_for(thread: threading.Thread, control: Control) -> None:
    while thread.is_alive():
        control.check()
        thread.join(CHECK_SECONDS)
    control.check()
