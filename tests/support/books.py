"""Databases for tests, and the events that a run tells, made up."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from federation.run.config import RunConfig
from federation.run.events import Checkpoint, Outcome, Phase, Progress, ReplyRecorded, RoundDone
from federation.run.states import RunState
from webapp.db.database import Database
from webapp.db.migrations import migrate_to_head
from webapp.db.repository.clients import insert_client
from webapp.db.repository.events import StoredEvent
from webapp.db.repository.upkeep.retention import RetentionLimits
from webapp.operations.files.deletion import RunDeletion
from webapp.operations.recorder import Recorder
from webapp.operations.runs import Runs


class Books:
    """A migrated database with a ledger over it; what it publishes stands in ``published`` and ``shown``."""

    def __init__(self, url: str, folder: Path) -> None:
        self.published: list[StoredEvent] = []
        self.shown: list[Progress] = []
        self.database = Database(url, self.published.extend)
        migrate_to_head(self.database.engine)
        self.recorder = Recorder(self.database, self.shown.append)
        self.deletion = RunDeletion(self.database, folder, RetentionLimits())
        self.runs = Runs(self.database, self.recorder, self.deletion, "evaluate_accuracy")

    def add_clients(self, *names: str) -> list[int]:
        said = {"state": "admitted", "kind": "client", "lane": "stream", "facts": {}, "data": {}, "versions": {}}
        with self.database.write() as session:
            return [
                insert_client(session, f"key of {name}", {"name": name, "left_out": False, **said}) for name in names
            ]

    def start_run(self, **config: Any) -> int:
        """Make a run that is running."""
        run_id = self.runs.create(RunConfig(**{"seed": 7} | config)).id
        assert self.runs.move(run_id, RunState.WAITING)
        assert self.runs.move(run_id, RunState.RUNNING)
        return run_id

    def play_round(self, run_id: int, number: int, client_ids: Iterable[int], **metrics: Any) -> None:
        """Record one round in which all replies are accepted and say the same."""
        for client_id in client_ids:
            for phase in ("train", "evaluate"):
                self.runs.record(reply(run_id, number, client_id, phase, **metrics))
        self.runs.record(done(run_id, number, **metrics))

    def close(self) -> None:
        self.deletion.stop()
        self.database.close()


def reply(
    run_id: int, number: int, client_id: int, phase: Phase = "train", outcome: Outcome = "accepted",
    reason: str | None = None, attempt: int = 1, **metrics: float,
) -> ReplyRecorded:  # fmt: skip
    return ReplyRecorded(
        run_id, number, attempt, phase, client_id, outcome, reason, 10, 0.5, 0.6, 0.7, 1000, 2000, metrics
    )  # fmt: skip


def done(run_id: int, number: int, attempt: int = 1, **metrics: float) -> RoundDone:
    checkpoint = Checkpoint(f"round-{number}.bin", "0" * 64, 4000)
    return RoundDone(run_id, number, attempt, 2.0, 1.0, 0.25, 0.75, metrics, metrics, checkpoint)
