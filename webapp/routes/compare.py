"""The page that sets runs side by side. Its address holds all that it shows, so that it can be shared."""

from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from webapp.pages.compare import AXES, Axis, compare, summary
from webapp.repository.run_list import runs_of
from webapp.routes.page import PageDep
from webapp.routes.run_list import RunIds, Word
from webapp.templating import wanted_block

router = APIRouter(prefix="/runs", include_in_schema=False)

Percent = Annotated[str, Query(max_length=20)]


@router.get("/compare")
def show(
    page: PageDep,
    id: RunIds = [],  # noqa: B006  # FastAPI copies defaults
    x: Word = "round",
    target: Percent = "",
    smooth: Percent = "",
) -> HTMLResponse:
    """Show the chosen runs; ``target`` is an accuracy in percent, ``smooth`` the weight of what came before."""
    axis: Any = x if x in get_args(Axis) else "round"
    goal, weight = _number(target, 100), _number(smooth, 0.9) or 0.0
    shown = compare(page.session, runs_of(page.session, id), id, goal / 100 if goal else None)
    ids = [side.run.id for side in shown.sides]
    asked: list[tuple[str, Any]] = [("id", run_id) for run_id in ids]
    asked += [("x", axis)] if axis != "round" else []
    asked += [("target", f"{goal:g}")] if goal else []
    asked += [("smooth", f"{weight:g}")] if weight else []
    address = f"/runs/compare?{urlencode(asked)}" if asked else "/runs/compare"
    answer = page.show(
        "runs/compare.html", "/runs", page=shown, summary=summary(shown), axes=AXES, axis=axis, smooth=weight,
        address=address, link=str(page.request.url.replace(path="/", query="")).rstrip("/") + address,
        choose="/runs" + (f"?{urlencode([('id', run_id) for run_id in ids])}" if ids else ""),
    )  # fmt: skip
    if wanted_block(page.request) == "compare_page":
        answer.headers["HX-Replace-Url"] = address
    return answer


def _number(text: str, most: float) -> float | None:
    """Read a number of the address; what is none, or out of bounds, counts as not given."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if 0 < value <= most else None
