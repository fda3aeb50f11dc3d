"""What handlers are given: the parts of the running dashboard, and the ids in their addresses."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import BeforeValidator, Field

from webapp.operations.audit.attempts import Note
from webapp.operations.experiments.experiments import Experiments
from webapp.operations.records import RunRecords
from webapp.operations.steering import Steering
from webapp.operations.transfer.run_import import RunImport
from webapp.operations.views import ClientView
from webapp.parts import Parts
from webapp.routes.access import PrincipalDep

MAX_ID = 2**53 - 1
MAX_ROUND = 2**31 - 1
NO_NUL = r"^[^\x00]*$"
"""No database finds a text with U+0000 in it."""
METRIC_NAME = r'^[^\x00"\\]*$'
"""What no path into JSON can name is no metric either."""


async def get_parts(request: Request) -> Parts:
    """Return the parts that the lifespan made."""
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(get_parts)]


async def get_import(parts: PartsDep) -> RunImport:
    """Return what imports a run."""
    return RunImport(parts.database, parts.supervisor.files, parts.settings.max_reply_bytes, parts.deletion.wake)


ImportDep = Annotated[RunImport, Depends(get_import)]


async def get_by(principal: PrincipalDep) -> str:
    """Return the name of who acts, as the events of runs tell it."""
    return principal.name


ByDep = Annotated[str, Depends(get_by)]


async def get_steering(parts: PartsDep, by: ByDep) -> Steering:
    """Return what steers runs, for who acts."""
    return parts.steering.acting_for(by)


async def get_records(parts: PartsDep, by: ByDep) -> RunRecords:
    """Return what changes the records of runs, for who acts."""
    return RunRecords(parts.database, parts.runs, by)


async def get_experiments(parts: PartsDep, by: ByDep) -> Experiments:
    """Return what creates and steers experiments, for who acts."""
    return Experiments(parts.database, parts.runs, parts.steering.acting_for(by), by)


ExperimentsDep = Annotated[Experiments, Depends(get_experiments)]
SteeringDep = Annotated[Steering, Depends(get_steering)]
RecordsDep = Annotated[RunRecords, Depends(get_records)]


async def get_note(request: Request) -> Note:
    """Return what the handler may add to the request's entry in the audit log."""
    note: Note = request.state.audit
    return note


NoteDep = Annotated[Note, Depends(get_note)]


def noted(client: ClientView, note: Note) -> ClientView:
    """Return a client that was admitted or revoked, once the audit log has its name and key."""
    note.add_client(client.id, client.name, client.fingerprint)
    return client


def _in_digits(text: object) -> object:
    """Refuse an id that is not written in digits alone: pydantic takes blanks around them and underscores, too."""
    if isinstance(text, str) and not (text.isascii() and text.isdigit()):
        raise ValueError("Input should be a valid integer, in digits alone")
    return text


Id = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(_in_digits), Path(examples=[1])]
AnyId = Annotated[int, Query(ge=0, le=MAX_ID)]
