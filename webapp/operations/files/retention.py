"""Removes checkpoints and events of old runs, as the settings say. ``deletion`` calls it on its thread."""

import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from webapp.db.database import Database
from webapp.db.repository.audit.entries import append_entry
from webapp.db.repository.events import add_event
from webapp.db.repository.upkeep import retention as table
from webapp.db.tables import RunContents
from webapp.formatting import plural, size
from webapp.operations.audit.attempts import SERVER, Attempt

log = logging.getLogger(__name__)

SLICE_EVENTS = 1000
"""Events of one transaction, for which a round's commit may have to wait."""

SHOWN_REMOVALS = 50

GRACE_SECONDS = 3600.0
"""So long a run must have been too old, by days, before anything of it is removed: a clock that is ahead is mostly set
right within that time."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What was removed of one run."""

    run_id: int
    files: int
    size_bytes: int
    events: int
    at: datetime

    @property
    def sentence(self) -> str:
        """What was removed, as the log, the run's event and the Server page have it."""
        what = (
            f"{plural(self.files, 'file')} of checkpoints ({size(self.size_bytes)}) and {plural(self.events, 'event')}"
        )
        return f"Retention removed {what}; rounds and metrics are kept"


class Retention:
    """Removes the contents of runs that have expired; what one process has begun, the next one completes.

    ``folder`` holds a folder for each run. ``newest`` are the last removals of this process, the newest first.
    ``clock`` is monotonic.
    """

    def __init__(
        self, database: Database, folder: Path, limits: table.RetentionLimits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._database, self._folder, self.limits, self._clock = database, folder, limits, clock
        self._too_old: dict[int, float] = {}
        """When this process first found that a run is too old."""
        self.newest: deque[Removal] = deque(maxlen=SHOWN_REMOVALS)

    def remove_expired(self, stopped: threading.Event) -> None:
        """Remove what has expired by now, until ``stopped``. Raises DatabaseUnavailable."""
        with self._database.read() as session:
            begun, expired = table.begun_removals(session), table.expired_runs(session, self.limits, datetime.now(UTC))
        for run_id in [*begun, *self._after_grace(expired)]:
            if stopped.is_set():
                return
            if run_id not in begun:
                with self._database.write() as session:  # from here on the run cannot be resumed
                    if not table.move_contents(session, run_id, RunContents.REMOVING, datetime.now(UTC)):
                        continue
            self._remove(run_id, stopped)

    def _after_grace(self, expired: Sequence[int]) -> list[int]:
        """Return the runs that have been too old for long enough; how many runs there are depends on no clock."""
        now, grace = self._clock(), GRACE_SECONDS if self.limits.days is not None else 0.0
        self._too_old = {run_id: self._too_old.get(run_id, now) for run_id in expired}
        return [run_id for run_id, since in self._too_old.items() if now - since >= grace]

    def _remove(self, run_id: int, stopped: threading.Event) -> None:
        """Delete a run's files and events. After each slice others have as much time to write as it took."""
        files, size_bytes = delete_files(self._folder / str(run_id))
        events, deleted = 0, SLICE_EVENTS
        while deleted == SLICE_EVENTS:
            if stopped.is_set():
                return
            began = time.monotonic()
            with self._database.write() as session:
                deleted = table.delete_events(session, run_id, SLICE_EVENTS)
            events += deleted
            stopped.wait(time.monotonic() - began)
        removal = Removal(run_id, files, size_bytes, events, datetime.now(UTC))
        with self._database.write() as session:
            if table.move_contents(session, run_id, RunContents.REMOVED, removal.at):
                add_event(session, "note", {"sentence": removal.sentence}, run_id=run_id)
                detail = {"files": files, "bytes": size_bytes, "events": events}
                append_entry(session, Attempt(SERVER, "retention", target=f"run {run_id}", detail=detail).values())
        self.newest.appendleft(removal)
        log.info("run %s: %s", run_id, removal.sentence)


def delete_files(folder: Path) -> tuple[int, int]:
    """Delete the files of a run; return how many went, and their size. The log names one that stays."""
    files = size_bytes = 0
    for file in folder.iterdir() if folder.is_dir() else ():
        try:
            found = file.lstat().st_size
            if file.is_dir() and not file.is_symlink():  # what an app has written
                found = sum(one.lstat().st_size for one in file.rglob("*"))
                shutil.rmtree(file)
            else:
                file.unlink()
        except OSError as error:
            log.warning("%s stays, delete it yourself: %s", file, error)
            continue
        files, size_bytes = files + 1, size_bytes + found
    return files, size_bytes
