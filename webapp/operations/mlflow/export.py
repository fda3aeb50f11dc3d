"""Notes which runs have news and sends them, on a thread of its own; tries again with growing delays, without end."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from webapp.db.database import Database, DatabaseUnavailable, Session
from webapp.db.repository.events import add_event, last_event_id
from webapp.db.repository.rows import change_row
from webapp.db.repository.tracking import mlflow as table
from webapp.db.repository.tracking import news
from webapp.db.tables import MlflowRun, Sending
from webapp.operations.mlflow.api import MlflowApi, MlflowMissing, MlflowRefused, MlflowUnavailable, error_of
from webapp.operations.mlflow.counts import MlflowCollector, MlflowCounts
from webapp.operations.mlflow.sender import RunSender
from webapp.operations.mlflow.views import MlflowView, mlflow_view
from webapp.settings import Settings
from webapp.worker import Worker

log = logging.getLogger(__name__)

DELAYS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds after each failed try in succession; the last one counts for all later ones."""
MAX_DELAY_SECONDS = 600.0
"""The longest Retry-After that is followed."""
LONGEST = timedelta(seconds=MAX_DELAY_SECONDS + 60.0)
"""No try is due later than after so long, unless the clock was set back."""
POLL_SECONDS, RETRY_SECONDS = 1.0, 5.0
EVENTS_AT_ONCE, RUNS_AT_ONCE = 1000, 20
TRIES_BEFORE_NOTE = 2
"""A run's events tell that it is not sent from this failed try on: one request that fails is nothing to tell."""


class Mlflow(Worker):
    """Sends the runs of a database to the server of the settings from ``start`` to ``stop``; without a URL nothing.

    ``newest_event_id`` is asked every second: only news are looked for.
    """

    stop_seconds = 1.0

    def __init__(
        self, settings: Settings, database: Database, newest_event_id: Callable[[], int],
        delays: Sequence[float] = DELAYS,
    ) -> None:  # fmt: skip
        super().__init__("mlflow")
        self.url, self._database, self._counts = settings.mlflow_url, database, MlflowCounts()
        self.collector = MlflowCollector(database, self.url, self._counts)
        self._api = MlflowApi(self.url, lambda: _authorization(settings))
        self._sender = RunSender(settings, database, self._api, self._counts)
        self._newest_event_id, self._delays = newest_event_id, delays
        self._cursor = -1
        self._due_at: datetime | None = None

    def start(self) -> None:
        """Begin where an earlier process ended; a new server gets the runs that have news from now on."""
        if not self.url:
            return
        with self._database.read() as session:
            known, newest = news.read_cursor(session, self.url), last_event_id(session)
            self._due_at = table.next_due(session, self.url)
        if known is None:
            with self._database.write() as session:
                news.set_cursor(session, self.url, newest)
        self._cursor = newest if known is None else known
        super().start()

    def stop(self, deadline_seconds: float | None = None) -> None:
        """End after the present request; the next process sends what is missing."""
        super().stop(deadline_seconds)
        if self.url and not self.is_running:
            self._api.close()

    def show(self, session: Session, run_id: int) -> MlflowView | None:
        """Return what the server has of a run; None where the run is not sent."""
        row = table.run_at(session, self.url, run_id) if self.url else None
        return mlflow_view(row) if row is not None else None

    def failure(self, session: Session) -> tuple[str, datetime] | None:
        """Return why runs are not sent, and when they are tried again; None where nothing fails."""
        return table.last_error(session, self.url) if self.url else None

    def work(self) -> float:
        """Note the runs that have news, and send those that are due."""
        try:
            self._take_news()
            now = datetime.now(UTC)
            if self._due_at is not None and not now < self._due_at <= now + LONGEST:
                self._send_due(now)
            return min(POLL_SECONDS, *self._delays)
        except DatabaseUnavailable as error:
            log.warning("runs are sent to MLflow later: %s", error)
        except Exception:
            log.exception("runs are sent to MLflow later")
        return RETRY_SECONDS

    def _take_news(self) -> None:
        """Note the runs of new events, and that these events were read, in one transaction."""
        while self._newest_event_id() > self._cursor and not self.stopped.is_set():
            with self._database.read() as session:
                runs, last = news.runs_with_news(session, self._cursor, EVENTS_AT_ONCE)
            if last == self._cursor:  # the newest events were deleted with their run
                return
            with self._database.write() as session:
                if runs:
                    table.note_news(session, self.url, runs, datetime.now(UTC))
                news.set_cursor(session, self.url, last)
                self._due_at = table.next_due(session, self.url)
            self._cursor = last

    def _send_due(self, now: datetime) -> None:
        with self._database.read() as session:
            due = table.due_runs(session, self.url, now, now + LONGEST, RUNS_AT_ONCE)
        for place, row in enumerate(due):
            if self.stopped.is_set():
                return
            try:
                if self._sender.send(row, self.stopped.is_set):
                    self._succeed(row)
            except MlflowUnavailable as error:
                self._fail(due[place:], error, error.after_seconds)  # none of the others would succeed
                break
            except MlflowMissing as error:
                self._fail([row], error, None, Sending.GONE)
            except MlflowRefused as error:
                self._fail([row], error, None)
            except DatabaseUnavailable:
                raise
            except Exception:
                log.exception("run %s cannot be sent to MLflow", row.run_id)
                self._fail([row], MlflowRefused("internal error, see the log"), None)
        with self._database.read() as session:
            self._due_at = table.next_due(session, self.url)

    def _succeed(self, row: MlflowRun) -> None:
        self._counts.is_up = True
        with self._database.write() as session:
            change_row(session, MlflowRun, row.id, state=Sending.SENT, tries=0, error="")
            if row.tries >= TRIES_BEFORE_NOTE:
                _note(session, row, "MLflow has all rounds again")

    def _fail(
        self, rows: Sequence[MlflowRun], error: Exception, after: float | None, state: Sending = Sending.FAILING
    ) -> None:  # fmt: skip
        self._counts.failures += 1
        self._counts.is_up = not isinstance(error, MlflowUnavailable)
        said, now = error_of(error), datetime.now(UTC)
        with self._database.write() as session:
            for row in rows:
                tries = row.tries + 1
                seconds = self._delays[min(tries, len(self._delays)) - 1]
                next_try = now + timedelta(seconds=max(seconds, min(after or 0, MAX_DELAY_SECONDS)))
                change_row(session, MlflowRun, row.id, state=state, tries=tries, error=said, next_try_at=next_try)
                if tries == TRIES_BEFORE_NOTE or (state is Sending.GONE and row.error != said):
                    kept = "" if state is Sending.GONE else "; its rounds are kept and sent later"
                    _note(session, row, f"This run is not sent to MLflow: {said}{kept}")
                    log.warning("run %s is not sent to MLflow: %s", row.run_id, said)


def _authorization(settings: Settings) -> str:
    try:
        return settings.mlflow_authorization()
    except (OSError, ValueError) as error:
        raise MlflowUnavailable("the file with its token cannot be read") from error


def _note(session: Session, row: MlflowRun, sentence: str) -> None:
    add_event(session, "note", {"sentence": sentence}, run_id=row.run_id)
