"""The list of runs, and what its buttons do with many runs at once: archive, restore, delete after a question."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, Response
from pydantic import Field
from starlette.datastructures import FormData

from federation.run.states import ACTIVE
from webapp.db.repository.run_list import RunFilter, find_runs, runs_of
from webapp.formatting import plural
from webapp.operations.records import Changed
from webapp.pages.flash import Flash
from webapp.pages.runs.grouping import CHOICES, is_grouping
from webapp.pages.runs.index import COLUMNS, PARAMETERS, SEGMENTS, RunListQuery, parse_order, run_list
from webapp.pages.wording import run_numbers, sentence
from webapp.problems import Invalid
from webapp.routes.dependencies import MAX_ID, NO_NUL, AnyId, ImportDep, NoteDep, RecordsDep
from webapp.routes.html.forms import FlashesDep, FormDep, UploadFormDep, file_of, ids_of, see_other, text_of
from webapp.routes.html.page import PageDep, shared

router = APIRouter(prefix="/runs", include_in_schema=False)

RunIds = Annotated[list[Annotated[int, Field(ge=1, le=MAX_ID)]], Query(max_length=200)]
Word = Annotated[str, Query(max_length=200, pattern=NO_NUL)]


def read_query(
    q: Word = "", state: Word = "", network: Word = "", dataset: Word = "", strategy: Word = "", tag: Word = "",
    sort: Word = "newest", offset: AnyId = 0, group: Word = "",
) -> RunListQuery:  # fmt: skip
    """Return the query of the list's address."""
    known = state if state in SEGMENTS else ""
    return RunListQuery(
        q.strip(), known, network, dataset, strategy, tag, *parse_order(sort), min(offset, 2**31),
        group if is_grouping(group) else "",
    )  # fmt: skip


@router.get("")
@shared
def list_them(
    page: PageDep,
    query: Annotated[RunListQuery, Depends(read_query)],
    id: RunIds = [],  # noqa: B006  # FastAPI copies defaults
) -> HTMLResponse:
    """Show a page of runs; ``id`` are selected already."""
    shown = run_list(page.session, query)
    return page.show(
        "runs/index.html", "/runs", page=shown, segments=SEGMENTS, columns=COLUMNS, chosen=id, groupings=CHOICES,
        known=find_runs(page.session, RunFilter(archived=None), 1)[1] > 0,
    )  # fmt: skip


@router.post("/archive")
def archive(records: RecordsDep, flashes: FlashesDep, note: NoteDep, form: FormDep) -> Response:
    """Archive the selected runs; active ones stay."""
    done = records.archive(ids_of(form))
    note.add_runs(done.ids)
    return _to_list(flashes, form, _what("Archived", done), "/runs/restore", done.ids)


@router.post("/restore")
def restore(records: RecordsDep, flashes: FlashesDep, note: NoteDep, form: FormDep) -> Response:
    """Take the selected runs back into the list."""
    done = records.restore(ids_of(form))
    note.add_runs(done.ids)
    return _to_list(flashes, form, _what("Restored", done), "/runs/archive", done.ids)


@router.post("/import")
def import_archive(runs: ImportDep, flashes: FlashesDep, fields: UploadFormDep) -> Response:
    """Import a run from an archive and go to its page; or say on the list why the archive is refused."""
    file = file_of(fields, "archive")
    try:
        if file is None:
            raise Invalid("archive", "Choose the zip archive of an exported run")
        run_id = runs.import_run(file.file)
    except Invalid as error:
        return see_other(flashes, "/runs", Flash(sentence(error.fields[0].message)))
    return see_other(flashes, f"/runs/{run_id}", Flash("The run was imported."))


@router.get("/delete")
def ask_to_delete(page: PageDep, id: RunIds = []) -> HTMLResponse:  # noqa: B006
    """Ask whether the selected runs are to be deleted for good."""
    runs = runs_of(page.session, id)
    return page.show(
        "runs/delete.html", "/runs", runs=[run for run in runs if run.state not in ACTIVE],
        active=[run for run in runs if run.state in ACTIVE],
    )  # fmt: skip


@router.post("/delete")
def delete(records: RecordsDep, flashes: FlashesDep, note: NoteDep, form: FormDep) -> Response:
    """Delete the selected runs; active ones stay."""
    done = records.delete(ids_of(form))
    note.add_runs(done.ids)
    return _to_list(flashes, form, f"Deleted {plural(len(done.ids), 'run')} for good.{_unchanged(done)}")


def _what(verb: str, done: Changed) -> str:
    runs = f"{plural(len(done.ids), 'run')}: {run_numbers(done.ids)}" if done.ids else "no runs"
    return f"{verb} {runs}.{_unchanged(done)}"


def _unchanged(done: Changed) -> str:
    """Say of each run that was not changed why."""
    said = ""
    if others := "; ".join(f"{run_numbers(ids)} ({why})" for why, ids in done.unchanged.items()):
        said += f" {plural(sum(map(len, done.unchanged.values())), 'run')} unchanged: {others}."
    return said


def _to_list(flashes: FlashesDep, form: FormData, text: str, undo: str = "", ids: Sequence[int] = ()) -> Response:
    """Lead back to the list with the filters that it had, which the form sends as ``back``."""
    pairs = [(name, value) for name, value in parse_qsl(text_of(form, "back")) if name in PARAMETERS]
    filters = urlencode(pairs)
    return see_other(
        flashes, f"/runs?{filters}" if filters else "/runs", Flash(text, undo if ids else "", ids, filters)
    )
