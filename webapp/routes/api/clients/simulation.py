"""/api/demo-clients: start, list and stop simulated clients on this machine."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from federation.run.networks import Dataset
from federation.simulation.plan import MAX_CLIENTS
from webapp.db.repository.clients import ids_by_key
from webapp.operations.simulation.app_clients import MAX_CHARACTERS, MAX_VALUES, AppWork, NodeValue, Work
from webapp.operations.simulation.simulated_clients import MAX_PROCESSES
from webapp.parts import Parts
from webapp.problems import Invalid
from webapp.routes.api.bodies import StrictBody
from webapp.routes.api.errors import CONFLICT, MISSING, REFUSED
from webapp.routes.dependencies import PartsDep

router = APIRouter(prefix="/api/demo-clients", tags=["clients"], responses=REFUSED)


NodeKey = Annotated[str, Field(pattern=r"^[\w.-]{1,100}$")]


class MoreClients(StrictBody):
    """The number of simulated clients to start, their dataset, and the number of processes that share them."""

    count: Annotated[int, Field(ge=1, le=MAX_CLIENTS, examples=[2])]
    dataset: Dataset = Field("digits", description="synthetic needs neither data nor TensorFlow.")
    processes: int = Field(1, ge=1, le=MAX_PROCESSES, description="Each takes the memory of one TensorFlow.")
    app: Annotated[str, Field(max_length=40)] | None = Field(
        None, description="Name of an app that --app-clients allows: the clients run it, and dataset does not count."
    )
    node_config: dict[NodeKey, NodeValue] = Field(
        default_factory=dict, max_length=MAX_VALUES, description="With app: what it finds in context.node_config."
    )
    data: Annotated[str, Field(max_length=MAX_CHARACTERS)] | None = Field(
        None, description="With app: a file in the folder --app-client-data, whose path is data of context.node_config."
    )


class SimulatedView(BaseModel):
    """A simulated client that the dashboard started on this machine."""

    number: int = Field(examples=[1])
    name: str = Field(examples=["sim-001"])
    dataset: Dataset | None = Field(description="Null for clients of an app.")
    app: str | None = Field(description="The name of the app that --app-clients allows.")
    partition: int
    partitions: int
    pid: int = Field(description="Of the process, which clients share.")
    client_id: int | None = Field(description="Null until the first connection.")


class SimulatedList(BaseModel):
    """The running simulated clients."""

    items: list[SimulatedView]
    most: int = Field(description="Maximum number of running simulated clients.")
    ended: list[str] = Field(description="One sentence for each process that died or exited by itself of late.")


@router.get("")
def list_demo_clients(parts: PartsDep) -> SimulatedList:
    """Return the running simulated clients, by number."""
    return _list(parts)


@router.post("", status_code=202, responses=CONFLICT)
def start_demo_clients(parts: PartsDep, body: MoreClients) -> SimulatedList:
    """Start simulated clients on this machine. They connect within seconds and stop with the dashboard."""
    if body.app is None and (body.node_config or body.data is not None):
        raise Invalid("app", "node_config and data are for clients of an app")
    work: Work = body.dataset if body.app is None else parts.allowed_apps.choose(body.app, body.node_config, body.data)
    held = parts.clients.held_partitions(work) if isinstance(work, str) else ()
    parts.simulation.start(body.count, work, held, body.processes)
    return _list(parts)


@router.delete("", status_code=204)
def end_demo_clients(parts: PartsDep) -> None:
    """Stop all simulated clients; their processes have exited when the call returns."""
    parts.simulation.end_all()


@router.delete("/{number}", status_code=204, responses=MISSING)
def end_demo_client(parts: PartsDep, number: Annotated[int, Path(ge=1, le=MAX_CLIENTS, examples=[1])]) -> None:
    """Stop a simulated client; with the last one of a process, that has exited when the call returns."""
    parts.simulation.end(number)


def _list(parts: Parts) -> SimulatedList:
    running = parts.simulation.running
    with parts.database.read() as session:
        ids = ids_by_key(session, "simulated")
    items = [
        SimulatedView(
            number=one.number, name=one.name, dataset=one.work if isinstance(one.work, str) else None,
            app=one.work.name if isinstance(one.work, AppWork) else None, partition=one.part[0], partitions=one.part[1],
            pid=one.pid, client_id=ids.get(one.public_key),
        )
        for one in running
    ]  # fmt: skip
    return SimulatedList(items=items, most=parts.simulation.most, ended=parts.simulation.last_words)
