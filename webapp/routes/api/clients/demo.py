"""/api/demo-clients: start, list and stop demo clients on this machine."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from federation.run.networks import DemoDataset
from webapp.db.database import Database
from webapp.db.repository.clients import find_client
from webapp.operations.demo_clients import MOST, DemoClients
from webapp.routes.api.bodies import StrictBody
from webapp.routes.api.errors import CONFLICT, MISSING, REFUSED
from webapp.routes.dependencies import ClientsDep, DatabaseDep, DemoDep

router = APIRouter(prefix="/api/demo-clients", tags=["clients"], responses=REFUSED)


class MoreClients(StrictBody):
    """The number of demo clients to start, and their dataset."""

    count: Annotated[int, Field(ge=1, le=MOST, examples=[2])]
    dataset: DemoDataset = Field("digits", description="synthetic needs neither data nor TensorFlow.")


class DemoView(BaseModel):
    """A client process on this machine that the dashboard started."""

    number: int = Field(examples=[1])
    name: str = Field(examples=["demo-1"])
    dataset: DemoDataset
    partition: int
    partitions: int
    pid: int
    client_id: int | None = Field(description="Null until the first connection.")


class DemoList(BaseModel):
    """The running demo clients."""

    items: list[DemoView]
    most: int = Field(description="Maximum number of running demo clients.")
    ended: list[str] = Field(description="One sentence for each demo client that exited by itself.")


@router.get("")
def list_demo_clients(demo: DemoDep, database: DatabaseDep) -> DemoList:
    """Return the running demo clients, by number."""
    return _list(demo, database)


@router.post("", status_code=202, responses=CONFLICT)
def start_demo_clients(demo: DemoDep, clients: ClientsDep, database: DatabaseDep, body: MoreClients) -> DemoList:
    """Start demo clients on this machine. They connect within seconds and stop with the dashboard."""
    demo.start(body.count, body.dataset, clients.held_partitions(body.dataset))
    return _list(demo, database)


@router.delete("/{number}", status_code=204, responses=MISSING)
def end_demo_client(demo: DemoDep, number: Annotated[int, Path(ge=1, le=MOST, examples=[1])]) -> None:
    """Stop a demo client; the process has exited when the call returns."""
    demo.end(number)


def _list(demo: DemoClients, database: Database) -> DemoList:
    items = []
    with database.read() as session:
        for one in demo.running:
            row = find_client(session, one.public_key)
            items.append(DemoView(
                number=one.number, name=one.name, dataset=one.dataset, partition=one.part[0], partitions=one.part[1],
                pid=one.process.pid, client_id=row.id if row else None,
            ))  # fmt: skip
    return DemoList(items=items, most=demo.most, ended=demo.last_words)
