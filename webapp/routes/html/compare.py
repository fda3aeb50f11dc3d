"""The page that sets runs side by side. Its address holds all that it shows, so that it can be shared."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from webapp.db.repository.run_list import runs_of
from webapp.pages.comparison.query import AXES, CompareAsked, compare_asked
from webapp.pages.comparison.table import compare, summary
from webapp.pages.runs.target_metric import measure_of
from webapp.routes.html.page import PageDep
from webapp.routes.html.run_list import RunIds

router = APIRouter(prefix="/runs", include_in_schema=False)


def read_compare_asked(
    request: Request,
    id: RunIds = [],  # noqa: B006  # FastAPI copies defaults
) -> CompareAsked:
    """Return what the address of a comparison asks for."""
    return compare_asked(id, request.query_params)


@router.get("/compare")
def show(page: PageDep, asked: Annotated[CompareAsked, Depends(read_compare_asked)]) -> HTMLResponse:
    """Show the chosen runs."""
    runs = runs_of(page.session, asked.ids)
    measure = measure_of(runs, asked.phase, asked.metric, reported_only=True)
    shown = compare(page.session, runs, asked.ids, measure.read(asked.target), measure=measure)
    asked = asked.of([side.run.id for side in shown.sides])
    return page.show(
        "runs/compare.html", "/runs", page=shown, asked=asked, axes=AXES, summary=summary(shown),
        link=str(page.request.url.replace(path="/", query="")).rstrip("/") + asked.address,
    )  # fmt: skip
