"""Notices in an idle dashboard that a backup of its database was restored under it; the next write would notice too."""

import logging
import threading

from webapp.db.database import Database
from webapp.db.instance_lock import InstanceLock
from webapp.db.repository.events import highest_event_id

log = logging.getLogger(__name__)

LOOK_SECONDS = 3.0


class RestoreWatch:
    """Looks every three seconds in a thread of its own; after ``start`` and before ``stop``, any thread may call it."""

    def __init__(self, database: Database, lock: InstanceLock) -> None:
        self._database, self._lock = database, lock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="restore-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        answered = True
        while self._lock.lost is None and not self._stopped.wait(LOOK_SECONDS):
            try:
                self._look()
                answered = True
            except Exception as error:  # it is away, or has no tables while a backup is restored: the looks go on
                if answered:
                    log.warning("the database cannot be compared with what was stored: %s", error)
                answered = False

    def _look(self) -> None:
        stored = self._database.newest_event_id
        with self._database.read() as session:
            given = highest_event_id(session)
        self._database.require_newer(stored, given)
