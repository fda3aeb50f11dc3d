"""Flower's warnings during a run become notes of the run; without this they stand only in the server's log."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from federation.run.events import Record, RunNote

MAX_NOTES = 20
"""A warning that differs each round must not fill the run's events."""


class _Notes(logging.Handler):
    """Records each different warning of one thread once."""

    def __init__(self, run_id: int, record: Record) -> None:
        super().__init__(logging.WARNING)
        self._run_id, self._record, self._thread = run_id, record, threading.get_ident()
        self._told: set[str] = set()

    def createLock(self) -> None:
        """Have no lock: other threads that warn must not wait while this one asks the store."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        sentence = " ".join(record.getMessage().split())
        if record.thread == self._thread and sentence not in self._told and len(self._told) < MAX_NOTES:
            self._told.add(sentence)
            self._record(RunNote(self._run_id, f"Flower warns: {sentence}"))


@contextmanager
def recorded_warnings(run_id: int, record: Record) -> Iterator[None]:
    """Record what Flower's logger warns of on this thread; other threads serve other clients and runs."""
    handler, logger = _Notes(run_id, record), logging.getLogger("flwr")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
