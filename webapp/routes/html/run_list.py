"""The list of runs, and what is done with many at once: put away, taken back, deleted after a question."""

from collections.abc import Sequence
from typing import Annotated, Any, get_args
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field
from starlette.datastructures import FormData

from webapp.db.repository.run_list import Sort, runs_of
from webapp.db.repository.runs import list_runs
from webapp.operations.records import is_active
from webapp.pages import flash
from webapp.pages.runs.index import SEGMENTS, SORTS, STATES_OF, Asked, run_list
from webapp.pages.templating import wanted_block
from webapp.routes.dependencies import MAX_ID, NO_NUL, AnyId, ShelfDep
from webapp.routes.html.page import Page, PageDep, read_form

router = APIRouter(prefix="/runs", include_in_schema=False)

SEE_OTHER = 303
RunIds = Annotated[list[Annotated[int, Field(ge=1, le=MAX_ID)]], Query(max_length=200)]
Word = Annotated[str, Query(max_length=200, pattern=NO_NUL)]
FormDep = Annotated[FormData, Depends(read_form)]


def read_asked(
    q: Word = "", state: Word = "", network: Word = "", dataset: Word = "", strategy: Word = "", tag: Word = "",
    sort: Word = "newest", offset: AnyId = 0,
) -> Asked:  # fmt: skip
    """Return what the address asks for."""
    order: Any = sort if sort in get_args(Sort) else "newest"
    known = state if state in STATES_OF else ""
    return Asked(q.strip(), known, network, dataset, strategy, tag, order, min(offset, 2**31))


@router.get("")
def list_them(
    page: PageDep,
    asked: Annotated[Asked, Depends(read_asked)],
    id: RunIds = [],  # noqa: B006  # FastAPI copies defaults
    done: str = "",
    of: RunIds = [],  # noqa: B006
    kept: AnyId = 0,
) -> HTMLResponse:
    """Show a page of runs; ``id`` are chosen already, ``done`` and ``of`` say what was just done."""
    shown = run_list(page.session, asked)
    answer = page.show(
        "runs/index.html", "/runs", page=shown, segments=SEGMENTS, sorts=SORTS, chosen=id,
        said=_said(page, done, of, kept, asked), known=list_runs(page.session, limit=1)[1] > 0,
    )  # fmt: skip
    if wanted_block(page.request) == "runs_list":
        answer.headers["HX-Replace-Url"] = asked.address
    return answer


def _said(page: Page, done: str, ids: Sequence[int], kept: int, asked: Asked) -> flash.Said | None:
    """Say what was done only while it is still so: an address may be opened again later."""
    away = {run.id: run.archived_at is not None for run in runs_of(page.session, ids)}
    if done == "archived":
        still = [run_id for run_id in ids if away.get(run_id)]
        return flash.archived(still, kept, asked.query) if still or kept else None
    if done == "restored":
        still = [run_id for run_id in ids if away.get(run_id) is False]
        return flash.restored(still, asked.query) if still else None
    if done == "deleted":
        return flash.deleted(len(ids), kept) if not away else None
    return None


@router.post("/archive")
def archive(shelf: ShelfDep, form: FormDep) -> Response:
    """Put the chosen runs away; the list says which, with a way back."""
    ids = chosen_ids(form)
    done = shelf.archive(ids)
    return _back(form, "archived", done, len(ids) - len(done))


@router.post("/restore")
def restore(shelf: ShelfDep, form: FormDep) -> Response:
    """Take the chosen runs back into the list."""
    return _back(form, "restored", shelf.restore(chosen_ids(form)))


@router.get("/delete")
def ask_to_delete(page: PageDep, id: RunIds = []) -> HTMLResponse:  # noqa: B006
    """Ask whether the chosen runs are to go for good."""
    runs = runs_of(page.session, id)
    return page.show(
        "runs/delete.html", "/runs", runs=[run for run in runs if not is_active(run)],
        active=[run for run in runs if is_active(run)],
    )  # fmt: skip


@router.post("/delete")
def delete(shelf: ShelfDep, form: FormDep) -> Response:
    """Remove the chosen runs; active ones stay."""
    ids = chosen_ids(form)
    gone = shelf.delete(ids)
    return _back(form, "deleted", gone, len(ids) - len(gone))


def chosen_ids(form: FormData) -> list[int]:
    """Return the ids that a form sends, each once."""
    given = [value for value in form.getlist("id") if isinstance(value, str)]
    ids = [int(value) for value in given if value.isascii() and value.isdigit() and len(value) < 16]
    return list(dict.fromkeys(ids))[:200]


def _back(form: FormData, done: str, ids: Sequence[int], kept: int = 0) -> Response:
    """Lead back to the list as it was asked for, and say there what was done."""
    back = form.get("back")
    pairs = parse_qsl(back) if isinstance(back, str) else []
    asked = [(name, value) for name, value in pairs if name in Asked.__slots__]
    told = [("done", done), *(("of", run_id) for run_id in ids), *([("kept", kept)] if kept else [])]
    return RedirectResponse(f"/runs?{urlencode([*asked, *told])}", SEE_OTHER)
