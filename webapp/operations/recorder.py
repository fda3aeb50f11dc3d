"""Writes the events of a run as rows. A round is one transaction; replies wait for it, or for ``flush``."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from federation.run.events import (
    AttemptFailed,
    Blocked,
    ClientSuspended,
    Event,
    Progress,
    ReplyRecorded,
    RoundDone,
    RoundRefused,
    RunNote,
    SchemaAgreed,
    ServerEvaluated,
    StatisticsCollected,
    StoreUnavailable,
)
from federation.run.metric_goals import MetricGoals
from webapp.db.database import Database, Session
from webapp.db.repository.client_history import replace_failures
from webapp.db.repository.events import add_event, count_problems
from webapp.db.repository.metrics import insert_points, last_metric_id
from webapp.db.repository.rounds import insert_replies, insert_round
from webapp.db.repository.runs import advance_run, get_run, metrics_of, set_blocked_on, set_values
from webapp.db.tables import Run
from webapp.operations import rows
from webapp.operations.evaluation.recording import write_server_evaluation
from webapp.operations.own_data.agreed import agreement_sentence
from webapp.operations.own_data.run_statistics import write_statistics
from webapp.sanitizing import clean_text

log = logging.getLogger(__name__)


class Recorder:
    """Records the active runs. Any thread may call it; calls for one run come in the order of its events.

    ``publish_progress`` gets the progress of clients, which is never stored; ``count`` gets every other event once it
    is written, replies of a transaction together.
    """

    def __init__(
        self,
        database: Database,
        publish_progress: Callable[[Progress], None],
        count: Callable[[Sequence[Event]], None] = lambda _events: None,
    ) -> None:
        self._database, self._publish_progress, self._count = database, publish_progress, count
        self._committing = threading.Lock()  # a round and an evaluation of one before it both change the run's metrics
        self._lock = threading.Lock()  # for the two lists; never held while the database is asked
        self._unwritten: list[ReplyRecorded] = []
        self._attempt: list[ReplyRecorded] = []
        """All replies of the runs' present attempts, because their metrics are written when those commit."""

    def record(self, event: Event) -> None:
        """Write an event, or keep it for the transaction that it belongs to.

        Raises RoundRefused where the run has ended meanwhile, DatabaseUnavailable where a later try may succeed.
        """
        if isinstance(event, Progress):
            self._publish_progress(event)
        elif isinstance(event, ReplyRecorded):
            self._add_reply(event)
        else:
            self._write(event)
            self._count([event])

    def _write(self, event: Event) -> None:
        match event:
            case RoundDone():
                self._finish_attempt(event.run_id, partial(self._write_round, event))
            case AttemptFailed():
                self._finish_attempt(event.run_id, partial(self._write_failure, event))
            case Blocked():
                self._write_blocked(event)
            case ClientSuspended():
                self._write_put_aside(event)
            case RunNote():
                self._write_note(event)
            case SchemaAgreed():
                self._write_schema(event)
            case StatisticsCollected():
                with self._database.write() as session:
                    write_statistics(session, event)
            case ServerEvaluated():
                with self._committing, self._database.write() as session:
                    write_server_evaluation(session, event)
            case _:
                log.warning("event ignored: %s", event)  # a run must not fail for an event that no page shows

    def flush(self, run_id: int) -> None:
        """Write a run's unwritten replies, each with an event of its own."""
        self._flush(self._kept(self._unwritten, run_id))

    def end_run(self, run_id: int) -> None:
        """Write a run's unwritten replies and drop its present attempt, which will not be finished.

        Replies that the database refuses for good are dropped: they must not keep the run from its end.
        """
        replies = self._kept(self._unwritten, run_id)
        try:
            self._flush(replies)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("replies of run %s cannot be stored and are dropped", run_id)
            self._drop_replies(replies)
        self._drop(self._attempt, self._kept(self._attempt, run_id))

    def _add_reply(self, reply: ReplyRecorded) -> None:
        with self._lock:
            self._unwritten.append(reply)
            if reply.phase != "prepare":
                self._attempt.append(replace(reply, failure=None) if reply.failure is not None else reply)

    def _kept(self, replies: list[ReplyRecorded], run_id: int) -> list[ReplyRecorded]:
        with self._lock:
            return [reply for reply in replies if reply.run_id == run_id]

    def _drop(self, replies: list[ReplyRecorded], done: list[ReplyRecorded]) -> None:
        """Keep no more what is written or will not be; what came meanwhile stays."""
        gone = set(map(id, done))
        with self._lock:
            replies[:] = [reply for reply in replies if id(reply) not in gone]

    def _flush(self, replies: list[ReplyRecorded]) -> None:
        if replies:
            with self._database.write() as session:
                self._write_replies(session, replies, with_events=True)
            self._drop_replies(replies)

    def _finish_attempt(
        self, run_id: int, write: Callable[[Session, list[ReplyRecorded], list[ReplyRecorded]], None]
    ) -> None:
        """Call ``write`` in a transaction with a run's unwritten replies and those of its attempt."""
        unwritten, attempt = self._kept(self._unwritten, run_id), self._kept(self._attempt, run_id)
        try:
            with self._committing, self._database.write() as session:
                write(session, unwritten, attempt)
        except RoundRefused as error:
            log.warning("%s", error)
            self._drop_all(unwritten, attempt)
            raise
        self._drop_all(unwritten, attempt)

    def _drop_all(self, unwritten: list[ReplyRecorded], attempt: list[ReplyRecorded]) -> None:
        self._drop_replies(unwritten)
        self._drop(self._attempt, attempt)

    def _drop_replies(self, replies: list[ReplyRecorded]) -> None:
        self._drop(self._unwritten, replies)
        self._count(replies)

    def _write_round(
        self, done: RoundDone, session: Session, unwritten: Sequence[ReplyRecorded], attempt: Sequence[ReplyRecorded]
    ) -> None:
        replies = rows.with_measured(done, [r for r in attempt if (r.round, r.attempt) == (done.round, done.attempt)])
        best, goals, before = metrics_of(session, done.run_id) or (None, MetricGoals(), {})
        row = rows.round_row(done, replies, goals)
        checkpoint = {**row["checkpoint"], "round": done.round} if done.checkpoint is not None else None
        elapsed = None if best is None else advance_run(session, done.run_id, done.round, {
            "last_metrics": rows.last_metrics(done, row, before), "checkpoint": checkpoint,
            "best_metrics": rows.best_metrics(best, done.round, row["metrics"], row["spread"], goals),
        })  # fmt: skip
        if elapsed is None or not insert_round(session, row | {"elapsed_seconds": elapsed}):
            session.rollback()
            if _is_committed(get_run(session, done.run_id), checkpoint, is_active=elapsed is not None):
                return
            raise RoundRefused(f"Round {done.round:,} of run {done.run_id} came too late and is not saved")
        if done.num_rounds is not None:
            set_values(session, done.run_id, num_rounds=done.num_rounds)
        self._write_replies(session, unwritten, with_events=False)
        insert_points(session, rows.point_rows(done, replies))
        data = rows.round_event(done, row, last_metric_id(session, done.run_id))
        add_event(session, "round", data, run_id=done.run_id)

    def _write_failure(
        self, failed: AttemptFailed, session: Session, unwritten: Sequence[ReplyRecorded], _: Sequence[ReplyRecorded]
    ) -> None:
        self._write_replies(session, unwritten, with_events=True)
        data = rows.failed_event(failed, last_metric_id(session, failed.run_id))
        add_event(session, "round", data, run_id=failed.run_id)

    def _write_replies(self, session: Session, replies: Sequence[ReplyRecorded], *, with_events: bool) -> None:
        """Write replies. Accepted ones of a fast round have no event: the round's event counts them."""
        written = [rows.reply_row(reply) for reply in replies]
        insert_replies(session, written)
        count_problems(session, written)
        replace_failures(session, [row for reply in replies if (row := rows.failure_row(reply)) is not None])
        for reply in replies:
            if with_events or reply.outcome != "accepted":
                add_event(session, "reply", rows.reply_event(reply), run_id=reply.run_id, client_id=reply.client_id)

    def _write_put_aside(self, aside: ClientSuspended) -> None:
        """A suspended client stays excluded when the run is resumed, until a person includes it again."""
        with self._database.write() as session:
            run = get_run(session, aside.run_id)
            if run is not None:
                set_values(session, run.id, excluded=sorted({*run.excluded, aside.client_id}))
                data = {"client_id": aside.client_id, "state": "put_aside", "reason": aside.reason}
                add_event(session, "client", data, run_id=run.id, client_id=aside.client_id)

    def _write_note(self, note: RunNote) -> None:
        data = {"sentence": clean_text(note.sentence, rows.MAX_REASON), "client_id": note.client_id}
        with self._database.write() as session:
            add_event(session, "note", data, run_id=note.run_id, client_id=note.client_id)

    def _write_schema(self, agreed: SchemaAgreed) -> None:
        with self._database.write() as session:
            set_values(session, agreed.run_id, agreed_schema=agreed.schema.model_dump(mode="json"))
            data = {"sentence": clean_text(agreement_sentence(agreed.schema), rows.MAX_REASON), "client_id": None}
            add_event(session, "note", data, run_id=agreed.run_id)

    def _write_blocked(self, blocked: Blocked) -> None:
        waits, deadline_at = rows.blocked_on(blocked)
        with self._database.write() as session:
            run = get_run(session, blocked.run_id)
            if run is None:
                return
            if waits and run.blocked_on and run.blocked_on["kind"] == waits["kind"]:
                waits["since"] = run.blocked_on["since"]
            if waits != run.blocked_on and set_blocked_on(session, run.id, waits, deadline_at):
                data = {"state": run.state, "reason": run.reason, "blocked_on": waits}
                add_event(session, "run", data, run_id=run.id)


def _is_committed(run: Run | None, checkpoint: dict[str, Any] | None, *, is_active: bool) -> bool:
    """Return whether the round is recorded already: the connection broke after its commit, before the answer came.

    A run that only evaluates has one round, without a checkpoint.
    """
    if run is None or checkpoint is None:
        return run is not None and run.kind == "evaluation" and is_active
    return run.checkpoint == checkpoint
