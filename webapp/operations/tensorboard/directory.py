"""A folder of event files that follows the runs, on a thread of its own; TensorBoard reads it meanwhile."""

import logging
from collections.abc import Callable
from pathlib import Path

from webapp.db.database import Database, DatabaseUnavailable
from webapp.db.repository.events import last_event_id
from webapp.db.repository.runs import get_run
from webapp.db.repository.series import clients_of_run
from webapp.db.repository.tracking.news import read_cursor, runs_with_news, set_cursor
from webapp.db.tables import Run
from webapp.operations.tensorboard.event_files import client_folder, file_name, folder_of, pieces
from webapp.settings import Settings
from webapp.worker import Worker

log = logging.getLogger(__name__)

POLL_SECONDS, RETRY_SECONDS = 1.0, 2.0
EVENTS_AT_ONCE = 1000


class TensorboardFolder(Worker):
    """Writes the runs that have news, from ``start`` to ``stop``; without a folder it does nothing.

    ``newest_event_id`` is asked every second; some clients of a run have a file of their own, in a folder below.
    """

    stop_seconds = 1.0

    def __init__(self, settings: Settings, database: Database, newest_event_id: Callable[[], int]) -> None:
        super().__init__("tensorboard")
        self._database, self._newest_event_id = database, newest_event_id
        self._folder, self._max_clients = settings.tensorboard_dir, settings.tensorboard_clients
        self._tracker = self._folder.resolve().as_uri()[:600] if self._folder is not None else ""
        self._cursor = -1
        self._written: dict[Path, int] = {}
        """File -> its last round, of the files that are known to be right."""
        self.problem = ""
        """Why nothing is written; empty where it is."""

    def start(self) -> None:
        """Begin where an earlier process ended; a new folder gets the runs that have news from now on."""
        if self._folder is None:
            return
        with self._database.read() as session:
            known, newest = read_cursor(session, self._tracker), last_event_id(session)
        if known is None:
            self._move(newest)
        self._cursor = newest if known is None else known
        super().start()

    def work(self) -> float:
        """Write the runs that have news."""
        try:
            self._write_news()
            self.problem = ""
            return POLL_SECONDS
        except (OSError, DatabaseUnavailable) as error:
            said = getattr(error, "strerror", None) or str(error)
            if said != self.problem:
                log.warning("TensorBoard's files are written later: %s", said)
            self.problem = said
        except Exception:
            log.exception("TensorBoard's files are written later")
            self.problem = "internal error, see the log"
        self._written.clear()
        return RETRY_SECONDS

    def _write_news(self) -> None:
        while self._newest_event_id() > self._cursor and not self.stopped.is_set():
            with self._database.read() as session:
                run_ids, last = runs_with_news(session, self._cursor, EVENTS_AT_ONCE)
            if last == self._cursor:
                return
            for run_id in sorted(run_ids):
                with self._database.read() as session:
                    run = get_run(session, run_id)
                if run is not None and run.started_at is not None and run.origin is None:
                    self._write_run(run)
            self._move(last)

    def _move(self, event_id: int) -> None:
        with self._database.write() as session:
            set_cursor(session, self._tracker, event_id)
        self._cursor = event_id

    def _write_run(self, run: Run) -> None:
        assert self._folder is not None
        folder = self._folder / folder_of(run)
        self._write_file(folder / file_name(run), run, None)
        if self._max_clients:
            with self._database.read() as session:
                clients = clients_of_run(session, run.id)[: self._max_clients]
            for client_id, name in clients:
                there = next(folder.glob(f"*-{client_id}"), folder / client_folder(client_id, name))
                self._write_file(there / file_name(run), run, client_id)

    def _write_file(self, file: Path, run: Run, client_id: int | None) -> None:
        if file in self._written:
            with file.open("ab") as opened:
                for last, piece in pieces(self._database, run, client_id, self._written[file]):
                    opened.write(piece)
                    self._written[file] = last
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        last = -1
        with file.open("r+b" if file.exists() else "w+b") as opened:
            for reached, piece in pieces(self._database, run, client_id):
                begun, there = opened.tell(), opened.read(len(piece))
                if there != piece:
                    same = len(there) if piece.startswith(there) else 0
                    opened.seek(begun + same)
                    opened.truncate()
                    opened.write(piece[same:])
                last = reached
            opened.truncate()
        self._written[file] = last
