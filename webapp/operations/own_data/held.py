"""Which connected clients hold own data of which name, and the schemas that they told."""

from collections.abc import Collection, Mapping, Sequence

from federation.run.networks import is_data_name
from federation.schema.columns import ClientSchema
from webapp.db.database import Session
from webapp.db.repository.clients import list_clients, stored_schemas
from webapp.db.tables import Client
from webapp.problems import NotFound

ByName = Mapping[str, Sequence[Client]]
Told = Mapping[int, ClientSchema]
"""Client id -> schema."""


def by_data_name(clients: Sequence[Client], online: Collection[int]) -> ByName:
    """Return name -> the admitted clients that are connected and told a schema of data of that name."""
    held: dict[str, list[Client]] = {}
    for client in clients:
        name = client.data.get("dataset")
        if client.id in online and client.state == "admitted" and client.data.get("schema") and is_data_name(name):
            held.setdefault(str(name), []).append(client)
    return dict(sorted(held.items()))


def told_schemas(session: Session, clients: Sequence[Client]) -> dict[int, ClientSchema]:
    """Return the schemas of these clients, in their order."""
    stored = stored_schemas(session, [client.id for client in clients])
    return {client.id: ClientSchema.model_validate(stored[client.id]) for client in clients if client.id in stored}


def read_data(session: Session, online: Collection[int], name: str) -> tuple[Sequence[Client], Told]:
    """Return the clients that hold data of a name, and their schemas; raises NotFound where there is none."""
    clients = by_data_name(list_clients(session), online).get(name)
    if not clients:
        raise NotFound(f"No connected client holds data named {name}.")
    return clients, told_schemas(session, clients)
