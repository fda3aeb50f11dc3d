"""/api/data: the data of connected clients' own, how they compare, and what the clients share of them."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from federation.schema.columns import DATA_NAME_PATTERN, MAX_DATA_NAME_CHARACTERS
from webapp.db.repository.clients import list_clients
from webapp.operations.own_data.comparison import DataComparison, DataNames, compare_data, data_names
from webapp.operations.own_data.held import by_data_name, read_data
from webapp.operations.own_data.statistics import DataStatistics, statistics_csv, statistics_of
from webapp.routes.api.errors import MISSING, REFUSED
from webapp.routes.api.results.file_responses import text_file
from webapp.routes.dependencies import PartsDep

router = APIRouter(prefix="/api/data", tags=["clients"], responses=REFUSED)

Name = Annotated[str, Path(pattern=DATA_NAME_PATTERN, max_length=MAX_DATA_NAME_CHARACTERS, examples=["wards"])]


@router.get("")
def list_data(parts: PartsDep) -> DataNames:
    """Return the names of the own data that connected clients hold; a run asks for them as ``dataset``."""
    with parts.database.read() as session:
        return data_names(by_data_name(list_clients(session), parts.flower.live_clients()))


@router.get("/{name}", responses=MISSING)
def compare(parts: PartsDep, name: Name) -> DataComparison:
    """Return columns by clients, classes, and which client does not fit, as a run that starts now would find them."""
    with parts.database.read() as session:
        return compare_data(name, *read_data(session, parts.flower.live_clients(), name))


@router.get("/{name}/statistics", responses=MISSING)
def show_statistics(parts: PartsDep, name: Name) -> DataStatistics:
    """Return what clients that were started with --share-statistics tell of their data."""
    with parts.database.read() as session:
        return statistics_of(name, *read_data(session, parts.flower.live_clients(), name))


@router.get("/{name}/statistics.csv", response_class=Response, responses={
    **MISSING, 200: {"content": {"text/csv": {}}, "description": "A line for each column, client and category."},
})  # fmt: skip
def download_statistics(parts: PartsDep, name: Name) -> Response:
    """Return the same as one table."""
    return text_file(statistics_csv(show_statistics(parts, name)), "text/csv", f"{name}-statistics.csv")
