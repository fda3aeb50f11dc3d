"""Writes an imported run, a part at a time; until ``publish_import`` no page and no answer shows it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from federation.run.networks import data_of
from federation.run.states import RunState
from webapp.db.repository.rows import insert_many
from webapp.db.repository.transfer.reading import TABLES
from webapp.db.tables import RUNS, Client, Run, RunContents

IMPORTED = "imported"
"""State and kind of the clients of an imported run: no key opens a connection for them."""


def begin_import(session: Session, config: dict[str, Any], values: dict[str, Any]) -> int:
    """Insert a run that nothing shows; return its id. One whose import is not completed is deleted."""
    row = {
        **values, "config": config, "network": config["network"], "strategy": config["strategy"],
        "dataset": data_of(config["network"], config.get("dataset", "")), "queued_at": values["created_at"],
        "pausing": False, "held": False, "state": RunState.DELETED.value, "contents": RunContents.IMPORTING.value,
    }  # fmt: skip
    run_id: int = session.connection().execute(insert(RUNS).returning(RUNS.c.id), row).scalar_one()
    return run_id


def insert_clients(session: Session, clients: Sequence[dict[str, Any]]) -> list[int]:
    """Insert the clients of an imported run; return their ids, in their order."""
    given = [{**client, "kind": IMPORTED, "state": IMPORTED, "lane": "stream", "left_out": False} for client in clients]
    return [session.execute(insert(Client).returning(Client.id), row).scalar_one() for row in given]


def insert_rows(session: Session, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of an imported run that have all columns of their table."""
    if table in ("rounds", "events"):  # these have times and JSON
        session.connection().execute(insert(TABLES[table]), list(rows))
        return
    unique = ("run_id", "round", "attempt", "phase", "client_id") if table == "replies" else ()
    insert_many(session, TABLES[table], rows, unique=unique)


def publish_import(session: Session, run_id: int, state: str, contents: RunContents, **values: Any) -> None:
    """Show the imported run."""
    there = update(RUNS).where(RUNS.c.id == run_id, RUNS.c.contents == RunContents.IMPORTING.value)
    session.connection().execute(there.values(state=state, contents=contents.value, **values))


def abandon_imports(session: Session, run_id: int | None = None) -> None:
    """Let the deletion take runs whose import was not completed: one of them, or those that a process left."""
    left = update(Run).where(Run.contents == RunContents.IMPORTING)
    session.execute((left if run_id is None else left.where(Run.id == run_id)).values(contents=RunContents.WHOLE))
