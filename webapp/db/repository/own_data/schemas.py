"""The schemas of clients' own data, and of the runs that train on them: columns that other queries leave out."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.db.tables import Client, Run


def stored_agreement(session: Session, run_id: int) -> dict[str, Any] | None:
    """Return the schema that the clients of a run agreed on; None where there is none."""
    return session.scalar(select(Run.agreed_schema).where(Run.id == run_id))


def stored_statistics(session: Session, run_id: int) -> dict[str, Any] | None:
    """Return what the clients of a statistics run have told; None where there is nothing."""
    return session.scalar(select(Run.statistics).where(Run.id == run_id))


def stored_schemas(session: Session, client_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return client id -> schema of those of the clients that have told one."""
    rows = session.execute(
        select(Client.id, Client.data_schema).where(Client.id.in_(client_ids), Client.data_schema.is_not(None))
    )
    return {client_id: schema for client_id, schema in rows if schema is not None}
