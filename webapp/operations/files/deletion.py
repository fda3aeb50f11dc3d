"""Removes deleted runs, and the contents of old ones, on a thread of its own, a slice at a time: others can write."""

import logging
import shutil
import time
from pathlib import Path

from webapp.db.database import Database, DatabaseUnavailable
from webapp.db.repository.upkeep.deletion import delete_rows, deleted_runs
from webapp.db.repository.upkeep.retention import RetentionLimits
from webapp.operations.files.retention import Retention
from webapp.worker import Worker

log = logging.getLogger(__name__)

SLICE_ROWS = 1000
"""Rows of one transaction: about 10 ms, for which a round's commit may have to wait."""

RETRY_SECONDS = 5.0
RETENTION_SECONDS = 60.0
"""So often it looks for runs whose contents have expired."""


class RunDeletion(Worker):
    """Works off the runs in state ``deleted``, also those that an earlier process left; ``wake`` has it look for more.

    ``folder`` holds a folder for each run. A folder that cannot be deleted is named in the log and stays.
    ``limits`` say how long runs keep their contents.
    """

    def __init__(self, database: Database, folder: Path, limits: RetentionLimits) -> None:
        super().__init__("run-deletion")
        self._database, self._folder = database, folder
        self.retention = Retention(database, folder, limits)

    def work(self) -> float | None:
        """Delete the runs in state ``deleted``, and what has expired."""
        try:
            with self._database.read() as session:
                waiting = deleted_runs(session)
            for run_id in waiting:
                self._delete(run_id)
            self.retention.remove_expired(self.stopped)
        except DatabaseUnavailable as error:
            log.warning("deleted runs are removed later: %s", error)
            return RETRY_SECONDS
        except Exception:
            log.exception("deleted and expired runs are removed later")
        return RETENTION_SECONDS if self.retention.limits.is_set else None

    def _delete(self, run_id: int) -> None:
        """Delete a run's folder and rows. After each slice others have as much time to write as it took."""
        delete_folder(self._folder / str(run_id))
        more = True
        while more and not self.stopped.is_set():
            began = time.monotonic()
            with self._database.write() as session:
                more = delete_rows(session, run_id, SLICE_ROWS)
            self.stopped.wait(time.monotonic() - began)


def delete_folder(folder: Path) -> None:
    """Delete a folder with all in it that can be deleted; the log names one that stays."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("files of a deleted run stay in %s, delete them yourself: %s", folder, error)
        shutil.rmtree(folder, ignore_errors=True)
