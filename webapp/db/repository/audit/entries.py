"""audit_entries: append an entry to the chain, and read entries."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from webapp.db.audit_chain import START, entry_hash
from webapp.db.tables import AUDIT_ENTRIES

CHUNK = 1000


def append_entry(session: Session, values: dict[str, Any]) -> tuple[int, str]:
    """Append an entry, given without id and hashes; return its id and hash. The session must be a writing one.

    SQLite lets one transaction write at a time. In PostgreSQL the lock of the table makes other writers wait for the
    end of this transaction: commands have connections of their own.
    """
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE audit_entries IN EXCLUSIVE MODE"))
    position, head = head_of(session)
    entry = {**values, "id": position + 1, "previous": head}
    entry["hash"] = entry_hash(entry)
    connection.execute(insert(AUDIT_ENTRIES), entry)
    return position + 1, str(entry["hash"])


def head_of(session: Session) -> tuple[int, str]:
    """Return id and hash of the newest entry."""
    newest = select(AUDIT_ENTRIES.c.id, AUDIT_ENTRIES.c.hash).order_by(AUDIT_ENTRIES.c.id.desc()).limit(1)
    row = session.connection().execute(newest).one_or_none()
    return (row.id, row.hash) if row is not None else (0, START)


def all_entries(session: Session) -> Iterator[dict[str, Any]]:
    """Give every entry, oldest first, as they are in the database at one moment."""
    rows = select(AUDIT_ENTRIES).order_by(AUDIT_ENTRIES.c.id)
    result = session.connection().execution_options(yield_per=CHUNK).execute(rows)
    for row in result:
        yield dict(row._mapping)
