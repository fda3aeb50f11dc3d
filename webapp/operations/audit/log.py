"""The audit log of this process: adds entries in the order in which they come, and checks the chain from time to time.

An attempt that cannot be written is an error in the log of the server, with all that the entry would say, and waits in
memory. While one waits, ``require`` refuses further changes: so no more of them wait than requests are served at once.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from federation.run.events import StoreUnavailable
from webapp.db.audit_chain import Verification, verify
from webapp.db.database import Database, Session
from webapp.db.repository.audit.entries import all_entries, append_entry
from webapp.operations.audit.attempts import Attempt, Outcome
from webapp.operations.audit.repeats import Repeats

log = logging.getLogger(__name__)

TRY_SECONDS, CHECK_SECONDS = 15.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Check:
    """A look at the whole chain, and when it was taken."""

    at: datetime
    found: Verification


class AuditLog:
    """Every change and refused attempt of this process. Any thread may use it."""

    def __init__(self, database: Database, repeats: Repeats | None = None) -> None:
        self._database = database
        self._repeats = repeats or Repeats()
        self._waiting: deque[Attempt] = deque()
        self._writing = threading.Lock()
        self._woken, self._is_ending = threading.Event(), False
        self._thread = threading.Thread(target=self._keep, name="audit", daemon=True)
        self.checked: Check | None = None

    def record(self, attempt: Attempt) -> None:
        """Add an entry, or count the attempt where it changed nothing and is like an earlier one. Never raises."""
        first = attempt if attempt.outcome == Outcome.DONE else self._repeats.add(attempt)
        if first is not None:
            self._add([first])

    def record_later(self, attempt: Attempt) -> None:
        """Do what ``record`` does, on another thread: for event loops, which must not wait for the database."""
        first = attempt if attempt.outcome == Outcome.DONE else self._repeats.add(attempt)
        if first is not None:
            self._waiting.append(first)
            self._woken.set()

    @property
    def is_behind(self) -> bool:
        """Whether entries wait for the database."""
        return bool(self._waiting)

    def require(self) -> None:
        """Write the entries that wait; raises StoreUnavailable where they cannot be written: nothing may change now."""
        if self._waiting:
            self._write()

    def settle(self, *, everything: bool = False) -> None:
        """Write what waits, and the counts of repeated attempts whose time is over, or of all. Never raises."""
        self._add(self._repeats.take_counts(everything=everything))

    def check(self) -> Check:
        """Look at the whole chain, and log an error where it has a fault; raises StoreUnavailable."""
        with self._database.read() as session:
            found = verify(all_entries(session))
        if found.fault:
            log.error("the audit log is not complete: %s", found.fault)
        self.checked = Check(datetime.now(UTC), found)
        return self.checked

    def start(self) -> None:
        """Begin to check the chain each day, and to write what waits."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, the counts too, and end."""
        self._is_ending = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self.settle(everything=True)

    def _keep(self) -> None:
        check_at = time.monotonic()
        while True:
            if time.monotonic() >= check_at:
                try:
                    found = self.check().found
                    log.info("audit log: %s entries, head %s", found.entries, found.head)
                    check_at += CHECK_SECONDS
                except StoreUnavailable as error:
                    log.warning("the audit log cannot be checked now: %s", error)
                except Exception:
                    log.exception("the audit log cannot be checked")
                    check_at += CHECK_SECONDS
            self._woken.wait(TRY_SECONDS)
            self._woken.clear()
            if self._is_ending:
                return
            self.settle()

    def _add(self, attempts: list[Attempt]) -> None:
        self._waiting.extend(attempts)
        try:
            if self._waiting:
                self._write()
        except StoreUnavailable as error:
            for attempt in attempts:
                log.error("not in the audit log yet: %s: %s", attempt.values(), error)
        except Exception:
            for attempt in attempts:
                log.exception("not in the audit log: %s", attempt.values())

    def _write(self) -> None:
        """Write all that wait in one transaction."""
        with self._writing:
            waiting = list(self._waiting)
            if not waiting:
                return  # another thread wrote them
            with self._database.write() as session:
                entries = [_append(session, attempt) for attempt in waiting]
            for _ in waiting:
                self._waiting.popleft()
        for entry in entries:
            log.info("audit entry %s, hash %s: %s", *entry)


def _append(session: Session, attempt: Attempt) -> tuple[int, str, str]:
    entry_id, entry_hash = append_entry(session, attempt.values())
    who = " ".join(filter(None, (attempt.actor.kind, attempt.actor.name)))
    return entry_id, entry_hash, f"{who}: {attempt.action} {attempt.target}, {attempt.outcome}".replace(" ,", ",")


def record_once(database: Database, attempt: Attempt) -> None:
    """Add the entry of a command, which is a process of its own; raises StoreUnavailable."""
    with database.write() as session:
        entry = _append(session, attempt)
    log.info("audit entry %s, hash %s: %s", *entry)
