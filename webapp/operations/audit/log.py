"""The audit log of this process: adds entries in the order in which they come, and checks the chain from time to time.

Once started, one thread writes all entries; who adds one waits for it, but not longer than ``ANSWER_SECONDS``: a slow
database delays no answer. An attempt that cannot be written is an error in the log of the server, with all that the
entry would say, and waits in memory. From then on ``require`` refuses further changes, until what waits is written.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime

from pydantic import BaseModel, Field

from federation.run.events import StoreUnavailable
from webapp.db.audit_chain import verify
from webapp.db.database import Database, Session
from webapp.db.repository.audit.entries import all_entries, append_entry
from webapp.operations.audit.attempts import Attempt, Outcome
from webapp.operations.audit.repeats import Repeats
from webapp.worker import Worker

log = logging.getLogger(__name__)

TRY_SECONDS, CHECK_SECONDS, ANSWER_SECONDS = 15.0, 86_400.0, 1.0


class CheckView(BaseModel):
    """A look at the whole chain."""

    at: datetime
    entries: int = Field(description="Number of entries up to the first fault, or of all.")
    head: str = Field(description="Hash of the last of them.")
    fault: str = Field(description="The first fault; empty: none.", examples=["entry 3 is missing"])


class AuditLog(Worker):
    """Every change and refused attempt of this process. Any thread may use it."""

    def __init__(self, database: Database, repeats: Repeats | None = None) -> None:
        super().__init__("audit")
        self._database, self._repeats = database, repeats or Repeats()
        self._waiting: deque[Attempt] = deque()
        # of the thread, or before its start and after its end of those who add entries
        self._writing = threading.Lock()
        self._changed = threading.Condition()
        self._added = self._written = self._told = 0
        self._has_failed = False
        self._check_at = time.monotonic()
        self.checked: CheckView | None = None

    def record(self, attempt: Attempt) -> None:
        """Add an entry, or count the attempt where it changed nothing and is like an earlier one. Never raises."""
        first = attempt if attempt.outcome == Outcome.DONE else self._repeats.add(attempt)
        if first is not None:
            self._add([first])

    def record_later(self, attempt: Attempt) -> None:
        """Do what ``record`` does, on another thread: for event loops, which must not wait for the database."""
        first = attempt if attempt.outcome == Outcome.DONE else self._repeats.add(attempt)
        if first is not None:
            self._enqueue([first])
            self.wake()

    @property
    def is_behind(self) -> bool:
        """Whether entries wait that could not be written."""
        return self._has_failed and bool(self._waiting)

    def require(self) -> None:
        """Have the entries that wait written; raises StoreUnavailable where they cannot be: nothing may change now."""
        if not self._is_on_its_own():
            self._write()
            return
        self.wake()
        with self._changed:
            if not self._changed.wait_for(lambda: not self.is_behind, ANSWER_SECONDS):
                raise StoreUnavailable("The audit log cannot be written")

    def settle(self, *, everything: bool = False) -> None:
        """Write what waits, and the counts of repeated attempts whose time is over, or of all. Never raises."""
        self._add(self._repeats.take_counts(everything=everything))

    def check(self) -> CheckView:
        """Look at the whole chain, and log an error where it has a fault; raises StoreUnavailable."""
        with self._database.read() as session:
            found = verify(all_entries(session))
        if found.fault:
            log.error("the audit log is not complete: %s", found.fault)
        self.checked = CheckView(at=datetime.now(UTC), **asdict(found))
        return self.checked

    def stop(self, deadline_seconds: float | None = None) -> None:
        """Write what waits, the counts too, and end."""
        super().stop(deadline_seconds)
        self.settle(everything=True)

    def work(self) -> float:
        """Write what waits, and check the chain each day."""
        self.settle()
        if time.monotonic() >= self._check_at:
            try:
                found = self.check()
                log.info("audit log: %s entries, head %s", found.entries, found.head)
                self._check_at += CHECK_SECONDS
            except StoreUnavailable as error:
                log.warning("the audit log cannot be checked now: %s", error)
            except Exception:
                log.exception("the audit log cannot be checked")
                self._check_at += CHECK_SECONDS
        return TRY_SECONDS

    def _is_on_its_own(self) -> bool:
        """Whether the thread writes, and this is another one."""
        return self.is_running and threading.current_thread() is not self._thread

    def _enqueue(self, attempts: list[Attempt]) -> int:
        """Let attempts wait to be written; return how many have waited in all."""
        with self._changed:
            self._waiting.extend(attempts)
            self._added += len(attempts)
            return self._added

    def _add(self, attempts: list[Attempt]) -> None:
        number = self._enqueue(attempts)
        if self._is_on_its_own():
            self.wake()
            with self._changed:
                self._changed.wait_for(lambda: self._written >= number or self._has_failed, ANSWER_SECONDS)
            return
        try:
            self._write()
        except StoreUnavailable as error:
            self._tell(f"not in the audit log yet: {error}")
        except Exception:
            log.exception("the audit log cannot be written")
            self._tell("not in the audit log")

    def _tell(self, sentence: str) -> None:
        """Tell the log of the server of each attempt that waits, once."""
        with self._changed:
            new = list(self._waiting)[max(0, self._told - self._written) :]
            self._told = self._added
        for attempt in new:
            log.error("%s: %s", sentence, attempt.values())

    def _write(self) -> None:
        """Write all that wait in one transaction."""
        with self._writing:
            waiting = list(self._waiting)
            if not waiting:
                return
            try:
                with self._database.write() as session:
                    entries = [_append(session, attempt) for attempt in waiting]
            except BaseException:
                self._note(0, has_failed=True)
                raise
            self._note(len(waiting), has_failed=False)
        for entry in entries:
            log.info("audit entry %s, hash %s: %s", *entry)

    def _note(self, written: int, *, has_failed: bool) -> None:
        with self._changed:
            for _ in range(written):
                self._waiting.popleft()
            self._written, self._has_failed = self._written + written, has_failed
            self._changed.notify_all()


def _append(session: Session, attempt: Attempt) -> tuple[int, str, str]:
    entry_id, entry_hash = append_entry(session, attempt.values())
    who = " ".join(filter(None, (attempt.actor.kind, attempt.actor.name)))
    return entry_id, entry_hash, f"{who}: {attempt.action} {attempt.target}, {attempt.outcome}".replace(" ,", ",")


def record_once(database: Database, attempt: Attempt) -> None:
    """Add the entry of a command, which is a process of its own; raises StoreUnavailable."""
    with database.write() as session:
        entry = _append(session, attempt)
    log.info("audit entry %s, hash %s: %s", *entry)
