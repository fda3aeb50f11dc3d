"""Keeps the series that were read: a committed round never changes, so only the rounds that came since are read."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from federation.run.metric_goals import SERVER_PHASE
from webapp.db.repository.series import Series, read_series
from webapp.db.tables import Run

MAX_ROUNDS = 250_000
"""Kept over all series; a round takes about 100 bytes."""
ENTRY_ROUNDS = 100
"""What an entry takes beside its rounds, in rounds."""


@dataclass(slots=True)
class _Entry:
    """One series as far as it was read, and the read that is under way, which others wait for."""

    series: Series = field(default_factory=Series)
    reading: Future[None] | None = None

    def newest(self) -> int:
        """Return the last round that was read; -1 where there is none."""
        return int(self.series["round"].max(initial=-1))


class SeriesCache:
    """Reads series. Any thread may ask; those that ask for the same series at the same time cost one read.

    No lock is held while the database is asked.
    """

    def __init__(self, max_rounds: int = MAX_ROUNDS) -> None:
        self._max_rounds = max_rounds
        self._entries: OrderedDict[tuple[int, str, str], _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, session: Session, run: Run, phase: str, metric: str) -> Series:
        """Return a metric of a run up to the run's current round, as ``session`` knows it.

        What the server measures comes after the commit of its round, so it is read anew each time.
        """
        if phase == SERVER_PHASE:
            return read_series(session, run.id, phase, metric)
        entry, sparse = self._entry((run.id, phase, metric)), _is_sparse(run, phase)
        while True:
            with self._lock:
                if entry.newest() >= run.current_round:
                    break
                other, mine = entry.reading, Future[None]()
                entry.reading = other or mine
            if other is None:
                self._extend(entry, mine, lambda after: read_series(
                    session, run.id, phase, metric, after=after, sparse=sparse,
                ))  # fmt: skip
                break
            other.result()
        series = entry.series
        stop = series.window(-1, run.current_round).stop
        return series if stop == len(series) else Series(series.rows[:stop], series.non_finite)

    def _extend(self, entry: _Entry, reading: Future[None], read: Callable[[int], Series]) -> None:
        """Read what is missing, without a lock; those that wait go on then, or get the same error."""
        try:
            entry.series = entry.series.extended(read(entry.newest()))
        except BaseException as error:
            entry.reading = None
            reading.set_exception(error)
            raise
        entry.reading = None
        reading.set_result(None)

    def _entry(self, key: tuple[int, str, str]) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            kept = sum(ENTRY_ROUNDS + len(one.series) for one in self._entries.values())
            while kept > self._max_rounds and len(self._entries) > 1:
                kept -= ENTRY_ROUNDS + len(self._entries.popitem(last=False)[1].series)
            return entry


def _is_sparse(run: Run, phase: str) -> bool:
    """Say whether a run evaluates only some of its rounds: its curves then lead from one of those to the next."""
    every: object = run.config.get("evaluate_every")
    return phase == "evaluate" and isinstance(every, int) and every > 1
