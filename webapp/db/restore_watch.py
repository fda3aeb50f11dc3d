"""Notices in an idle dashboard that a backup of its database was restored under it; the next write would notice too."""

import logging

from webapp.db.database import Database
from webapp.db.instance_lock import InstanceLock
from webapp.db.repository.events import highest_event_id
from webapp.worker import Worker

log = logging.getLogger(__name__)

LOOK_SECONDS = 3.0


class RestoreWatch(Worker):
    """Looks every three seconds in a thread of its own; after ``start`` and before ``stop``, any thread may call it."""

    stop_seconds = 2.0

    def __init__(self, database: Database, lock: InstanceLock) -> None:
        super().__init__("restore-watch")
        self._database, self._lock, self._has_answered = database, lock, True

    def work(self) -> float | None:
        """Look, unless the database is lost already."""
        if self._lock.lost is not None:
            return None
        stored = self._database.newest_event_id
        try:
            with self._database.read() as session:
                given = highest_event_id(session)
            self._database.require_newer(stored, given)
            self._has_answered = True
        except Exception as error:  # it is away, or has no tables while a backup is restored: the looks go on
            if self._has_answered:
                log.warning("the database cannot be compared with what was stored: %s", error)
            self._has_answered = False
        return LOOK_SECONDS
