"""The page that compares runs. Its address holds every choice of what it shows, so that it can be shared."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from webapp.db.repository.run_list import runs_of
from webapp.pages.comparison.groups import choices_of, groups_of
from webapp.pages.comparison.query import AXES, ComparisonQuery, comparison_query
from webapp.pages.comparison.table import compare, summary
from webapp.pages.measure import measure_of
from webapp.routes.html.page import PageDep, shared
from webapp.routes.html.run_list import RunIds

router = APIRouter(prefix="/runs", include_in_schema=False)


def read_query(
    request: Request,
    id: RunIds = [],  # noqa: B006  # FastAPI copies defaults
) -> ComparisonQuery:
    """Return the query of a comparison."""
    return comparison_query(id, request.query_params)


@router.get("/compare")
@shared
def show(page: PageDep, query: Annotated[ComparisonQuery, Depends(read_query)]) -> HTMLResponse:
    """Show the selected runs side by side."""
    runs = runs_of(page.session, query.ids)
    measure = measure_of(runs, query.phase, query.metric, reported_only=True)
    shown = compare(page.session, page.parts.series, runs, query.ids, measure.read(query.target), measure=measure)
    query = replace(query, ids=[side.run.id for side in shown.sides])
    return page.show(
        "runs/compare.html", "/runs", page=shown, query=query, axes=AXES, summary=summary(shown),
        link=page.root_address + query.address, groups=groups_of(shown.sides, measure, query.group),
        groupings=choices_of(shown.sides),
    )  # fmt: skip
