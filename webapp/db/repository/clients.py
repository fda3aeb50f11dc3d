"""clients: find by key or name, insert, list, update, change the admission."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from webapp.db.tables import Client, RunEvent


@dataclass(frozen=True, slots=True)
class Admission:
    """What a client is: its id, admission state and kind."""

    id: int
    state: str
    kind: str


def get_client(session: Session, client_id: int) -> Client | None:
    """Return one client."""
    return session.get(Client, client_id)


def find_client(session: Session, public_key: str) -> Client | None:
    """Return the client with that key."""
    return session.scalar(select(Client).where(Client.public_key == public_key))


def insert_client(session: Session, public_key: str, values: dict[str, Any]) -> int:
    """Add a client; return its id."""
    now = datetime.now(UTC)
    row = {"public_key": public_key, "first_seen_at": now, "last_seen_at": now, **values}
    client_id: int = session.execute(insert(Client).returning(Client.id), row).scalar_one()
    return client_id


def list_clients(session: Session) -> Sequence[Client]:
    """Return every client, in the order of their first connections."""
    return session.scalars(select(Client).order_by(Client.id)).all()


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
    now = datetime.now(UTC)
    session.execute(update(Client).where(Client.id == client_id).values(last_seen_at=now, **values))


def change_client(session: Session, client_id: int, **values: Any) -> None:
    """Write what a person decided about a client; ``last_seen_at`` stays."""
    session.execute(update(Client).where(Client.id == client_id).values(**values))


def is_name_taken(session: Session, name: str, but: int) -> bool:
    """Return whether a client other than ``but`` has the name."""
    return session.scalar(select(Client.id).where(Client.name == name, Client.id != but).limit(1)) is not None


def ids_by_name(session: Session, names: Collection[str]) -> dict[str, list[int]]:
    """Return name -> ids of the clients with that name, for some names."""
    found: dict[str, list[int]] = {}
    if names:
        for client_id, name in session.execute(select(Client.id, Client.name).where(Client.name.in_(names))):
            found.setdefault(name, []).append(client_id)
    return found


def known_ids(session: Session, client_ids: Collection[int]) -> set[int]:
    """Return those of the ids that a client has."""
    return set(session.scalars(select(Client.id).where(Client.id.in_(client_ids)))) if client_ids else set()


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
