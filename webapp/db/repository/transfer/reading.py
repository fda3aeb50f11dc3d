"""Reads all rows of a run in the order in which they were written, a page at a time."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Table, func, select, union
from sqlalchemy.orm import Session

from webapp.db.tables import METRIC_POINTS, REPLIES, ROUNDS, RUN_EVENTS, Client, MetricPoint, Reply, Run, RunEvent

TABLES: dict[str, Table] = {"rounds": ROUNDS, "replies": REPLIES, "metrics": METRIC_POINTS, "events": RUN_EVENTS}
"""The names under which an export has the rows of a run."""

PAGE_ROWS = 5000


def rows_after(session: Session, name: str, run_id: int, after_id: int) -> Sequence[Row[Any]]:
    """Return the next rows of a run in a table, by their ids; of replies only those to committed rounds."""
    columns = TABLES[name].c
    query = select(TABLES[name]).where(columns.run_id == run_id, columns.id > after_id)
    if name == "replies":
        query = query.where(columns.round <= select(Run.current_round).where(Run.id == run_id).scalar_subquery())
    return session.execute(query.order_by(columns.id).limit(PAGE_ROWS)).all()


def clients_in(session: Session, run: Run) -> Sequence[Client]:
    """Return the clients that a run names: those with replies, values or events in it, chosen or excluded ones."""
    named = union(*(
        select(table.client_id).where(table.run_id == run.id, table.client_id.is_not(None))
        for table in (Reply, MetricPoint, RunEvent)
    ))  # fmt: skip
    ids = {*session.scalars(named), *(run.config.get("clients") or ()), *run.excluded}
    return session.scalars(select(Client).where(Client.id.in_(ids)).order_by(Client.id)).all()


def train_samples(session: Session, run_id: int) -> dict[int, int]:
    """Return the largest number of samples that each client trained on in a round of a run."""
    query = select(Reply.client_id, func.max(Reply.num_examples)).where(
        Reply.run_id == run_id, Reply.phase == "train", Reply.outcome == "accepted"
    )
    return {client_id: samples or 0 for client_id, samples in session.execute(query.group_by(Reply.client_id))}
