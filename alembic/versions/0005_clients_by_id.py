"""Runs name the clients that they may ask by id: a name can be given to, or taken by, another client."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

RUNS = sa.table(
    "runs", sa.column("id", sa.BigInteger), sa.column("config", sa.JSON), sa.column("state", sa.String),
    sa.column("reason", sa.Text), sa.column("blocked_on", sa.JSON),
)  # fmt: skip
CLIENTS = sa.table("clients", sa.column("id", sa.BigInteger), sa.column("name", sa.String))
EVENTS = sa.table(
    "run_events", sa.column("run_id", sa.BigInteger), sa.column("type", sa.String),
    sa.column("at", sa.DateTime(timezone=True)), sa.column("data", sa.JSON),
)  # fmt: skip

NOBODY = "(no client: the names of this run could not be resolved)"
"""Before this revision an empty list meant all clients."""


def upgrade() -> None:
    """Turn names into ids. A name of no client, or of several, is dropped, and an event of the run tells which.

    A run of which no name can be resolved keeps an empty list, which means no client from now on, never all of them. An
    empty list of before meant all clients, which is null now.
    """
    connection = op.get_bind()
    ids: dict[str, list[int]] = {}
    for client_id, name in connection.execute(sa.select(CLIENTS.c.id, CLIENTS.c.name).order_by(CLIENTS.c.id)):
        ids.setdefault(name, []).append(client_id)
    for run in _runs_with_list(connection):
        names = dict.fromkeys(run.config["clients"])
        unresolved = [name for name in names if len(ids.get(name, ())) != 1]
        found = [ids[name][0] for name in names if name not in unresolved]
        _set_clients(connection, run, found if names else None)
        if unresolved:
            stands = {"state": run.state, "reason": run.reason, "blocked_on": run.blocked_on}
            data = {**stands, "unresolved_clients": unresolved}
            connection.execute(sa.insert(EVENTS).values(run_id=run.id, type="run", at=datetime.now(UTC), data=data))


def downgrade() -> None:
    """Turn ids into the names that the clients have now."""
    connection = op.get_bind()
    names = dict(connection.execute(sa.select(CLIENTS.c.id, CLIENTS.c.name)).all())
    for run in _runs_with_list(connection):
        _set_clients(connection, run, [names[one] for one in run.config["clients"] if one in names] or [NOBODY])


def _runs_with_list(connection: sa.Connection) -> list[Any]:
    """Return the runs that have a list of clients."""
    return [run for run in connection.execute(sa.select(RUNS)) if isinstance(run.config.get("clients"), list)]


def _set_clients(connection: sa.Connection, run: Any, clients: list[Any] | None) -> None:
    config = {**run.config, "clients": clients}
    connection.execute(sa.update(RUNS).where(RUNS.c.id == run.id).values(config=config))
