"""clients: find by key or name, insert, list, update, change the admission; the join codes that admit them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.orm import Session, undefer

from webapp.db.repository.rows import change_row
from webapp.db.tables import Client, JoinCode, RunEvent

CLOCK_STEP = timedelta(minutes=1)
"""A clock that is corrected by less does not void a join code; one that is set back to before its creation does."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What a client is: its id, admission state and kind."""

    id: int
    state: str
    kind: str


HERE = Client.kind != "imported"
"""The client may connect here; clients of imported runs never do."""


def find_client(session: Session, public_key: str) -> Client | None:
    """Return the client with that key, and with the schema of its own data, which it may report anew."""
    return session.scalar(select(Client).options(undefer(Client.data_schema)).where(Client.public_key == public_key))


def ids_by_key(session: Session, kind: str) -> dict[str, int]:
    """Return public key -> id of all clients of a kind."""
    rows = session.execute(select(Client.public_key, Client.id).where(Client.kind == kind))
    return dict(rows.all())


def insert_client(session: Session, public_key: str, values: dict[str, Any]) -> int:
    """Add a client; return its id."""
    now = datetime.now(UTC)
    row = {"public_key": public_key, "first_seen_at": now, "last_seen_at": now, **values}
    client_id: int = session.execute(insert(Client).returning(Client.id), row).scalar_one()
    return client_id


def list_clients(session: Session) -> Sequence[Client]:
    """Return every client, in the order of their first connections; not those of imported runs."""
    return session.scalars(select(Client).where(HERE).order_by(Client.id)).all()


def list_admissions(session: Session) -> list[Admission]:
    """Return the admission of every client, without what it reported."""
    return [Admission(*row) for row in session.execute(select(Client.id, Client.state, Client.kind))]


def client_names(session: Session, client_ids: Collection[int] | None = None) -> dict[int, str]:
    """Return id -> name, of all clients or of some."""
    query = select(Client.id, Client.name)
    if client_ids is not None:
        query = query.where(Client.id.in_(client_ids))
    return dict(session.execute(query).all())


def update_client(session: Session, client_id: int, values: dict[str, Any]) -> None:
    """Write what a client reported about itself, and that it was seen now."""
    change_row(session, Client, client_id, last_seen_at=datetime.now(UTC), **values)


def is_name_taken(session: Session, name: str, but: int) -> bool:
    """Return whether a client other than ``but`` has the name."""
    return session.scalar(select(Client.id).where(Client.name == name, Client.id != but, HERE).limit(1)) is not None


def ids_by_name(session: Session, names: Collection[str]) -> dict[str, list[int]]:
    """Return name -> ids of the clients with that name, for some names."""
    found: dict[str, list[int]] = {}
    if names:
        for client_id, name in session.execute(select(Client.id, Client.name).where(Client.name.in_(names), HERE)):
            found.setdefault(name, []).append(client_id)
    return found


def known_ids(session: Session, client_ids: Collection[int]) -> set[int]:
    """Return those of the ids that a client has."""
    return set(session.scalars(select(Client.id).where(Client.id.in_(client_ids), HERE))) if client_ids else set()


def move_client(session: Session, client_id: int, to: str, sources: Collection[str]) -> bool:
    """Change the admission to ``to``; False when the client is in none of ``sources``."""
    moved = update(Client).where(Client.id == client_id, Client.state.in_(sources))
    return session.execute(moved.values(state=to).returning(Client.id)).first() is not None


def pending_clients(session: Session) -> Sequence[Client]:
    """Return the clients that wait for approval, longest unseen first."""
    return session.scalars(select(Client).where(Client.state == "pending").order_by(Client.last_seen_at)).all()


def delete_clients(session: Session, client_ids: Collection[int]) -> None:
    """Remove clients that never took part in a run, with their events."""
    session.execute(delete(RunEvent).where(RunEvent.client_id.in_(client_ids)))
    session.execute(delete(Client).where(Client.id.in_(client_ids)))


def excluded_clients(session: Session) -> Sequence[int]:
    """Return the ids of the clients that a person has excluded from all runs."""
    return session.scalars(select(Client.id).where(Client.left_out)).all()


def stored_schemas(session: Session, client_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return client id -> schema of those of the clients that have told one."""
    rows = session.execute(
        select(Client.id, Client.data_schema).where(Client.id.in_(client_ids), Client.data_schema.is_not(None))
    )
    return {client_id: schema for client_id, schema in rows if schema is not None}


# -- join codes -------------------------------------------------------------------------------------------------------


def find_join_code(session: Session, secret_hash: str) -> JoinCode | None:
    """Return the code whose secret has that hash."""
    return session.scalar(select(JoinCode).where(JoinCode.secret_hash == secret_hash))


def list_join_codes(session: Session, limit: int) -> Sequence[JoinCode]:
    """Return the newest codes, newest first."""
    return session.scalars(select(JoinCode).order_by(JoinCode.id.desc()).limit(limit)).all()


def count_open_join_codes(session: Session, now: datetime) -> int:
    """Return how many codes may still be used."""
    return session.scalar(select(func.count()).select_from(JoinCode).where(*_is_open(now))) or 0


def use_join_code(session: Session, secret_hash: str, client_id: int, now: datetime) -> bool:
    """Mark an open code as used by a client; False where no such code is open. Of several callers one succeeds."""
    used = update(JoinCode).where(JoinCode.secret_hash == secret_hash, *_is_open(now))
    return session.execute(used.values(used_at=now, client_id=client_id).returning(JoinCode.id)).first() is not None


def revoke_join_code(session: Session, code_id: int, now: datetime) -> bool:
    """Revoke an open code; False where it is not open."""
    revoked = update(JoinCode).where(JoinCode.id == code_id, *_is_open(now))
    return session.execute(revoked.values(revoked_at=now).returning(JoinCode.id)).first() is not None


def revoke_join_codes_of(session: Session, name: str, now: datetime) -> None:
    """Revoke the open codes that a person has made."""
    session.execute(update(JoinCode).where(JoinCode.created_by == name, *_is_open(now)).values(revoked_at=now))


def delete_join_codes(session: Session, before: datetime) -> None:
    """Remove the codes that expired before a moment."""
    session.execute(delete(JoinCode).where(JoinCode.expires_at < before))


def _is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions under which a code may be used; ``JoinCodeState`` has the same in Python."""
    return (
        JoinCode.used_at.is_(None), JoinCode.revoked_at.is_(None), JoinCode.created_at <= now + CLOCK_STEP,
        JoinCode.expires_at > now,
    )  # fmt: skip
