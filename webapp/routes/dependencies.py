"""What handlers are given: the parts of the running dashboard, and the ids in their addresses."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from webapp.db.database import Database
from webapp.operations.clients import Clients
from webapp.operations.demo_clients import DemoClients
from webapp.operations.event_hub import EventHub
from webapp.operations.records import RunRecords
from webapp.operations.runs import Runs
from webapp.operations.steering import Steering
from webapp.parts import Parts

MAX_ID = 2**53 - 1
MAX_ROUND = 2**31 - 1
NO_NUL = r"^[^\x00]*$"
"""No database finds a text with U+0000 in it."""
METRIC_NAME = r'^[^\x00"\\]*$'
"""What no path into JSON can name is no metric either."""


def get_parts(request: Request) -> Parts:
    """Return the parts that the lifespan made."""
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(get_parts)]


def get_database(parts: PartsDep) -> Database:
    """Return the database."""
    return parts.database


def get_runs(parts: PartsDep) -> Runs:
    """Return the runs."""
    return parts.runs


def get_steering(parts: PartsDep) -> Steering:
    """Return what takes the requests of people to runs."""
    return parts.steering


def get_records(parts: PartsDep) -> RunRecords:
    """Return the records of runs."""
    return RunRecords(parts.database, parts.runs)


def get_clients(parts: PartsDep) -> Clients:
    """Return the clients."""
    return parts.clients


def get_demo(parts: PartsDep) -> DemoClients:
    """Return the demo clients."""
    return parts.demo


def get_event_hub(parts: PartsDep) -> EventHub:
    """Return the hub of the event streams."""
    return parts.event_hub


DatabaseDep = Annotated[Database, Depends(get_database)]
RunsDep = Annotated[Runs, Depends(get_runs)]
SteeringDep = Annotated[Steering, Depends(get_steering)]
RecordsDep = Annotated[RunRecords, Depends(get_records)]
ClientsDep = Annotated[Clients, Depends(get_clients)]
DemoDep = Annotated[DemoClients, Depends(get_demo)]
EventHubDep = Annotated[EventHub, Depends(get_event_hub)]

Id = Annotated[int, Path(ge=1, le=MAX_ID, examples=[1])]
AnyId = Annotated[int, Query(ge=0, le=MAX_ID)]
