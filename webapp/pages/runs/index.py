"""The list of runs: the query of its address, its rows, and the choices of its filters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from federation.run.states import RunState
from webapp.db.repository.metrics import sparklines
from webapp.db.repository.run_list import RunFilter, Sort, filter_choices, find_runs
from webapp.db.repository.runs import is_resumable
from webapp.db.tables import Run
from webapp.operations.views import elapsed_seconds
from webapp.pages.clients.rows import polyline
from webapp.pages.start.fields import FIELDS
from webapp.pages.wording import problems_of, sentence

PAGE_RUNS, EXCERPT = 50, 90
SEGMENTS = (
    ("", "All"), ("active", "Running"), ("queued", "Queued"), ("completed", "Completed"), ("failed", "Failed"),
    ("ended", "Stopped"), ("archived", "Archived"),
)  # fmt: skip
STATES_OF = {
    "": (), "active": ("waiting", "running", "paused", "stopping"), "queued": ("queued",), "completed": ("completed",),
    "failed": ("failed",), "ended": ("stopped", "interrupted", "cancelled"), "archived": (),
}  # fmt: skip
"""The states of runs that each segment of the list shows."""
SORTS: tuple[tuple[Sort, str], ...] = (("newest", "Newest"), ("best", "Best accuracy"), ("longest", "Longest"))
FILTERS = (("network", "Network"), ("dataset", "Dataset"), ("strategy", "Strategy"), ("tag", "Tag"))


@dataclass(frozen=True, slots=True)
class RunListQuery:
    """The query of the list's address; an unknown state or order counts as the default."""

    q: str = ""
    state: str = ""
    network: str = ""
    dataset: str = ""
    strategy: str = ""
    tag: str = ""
    sort: Sort = "newest"
    offset: int = 0

    @property
    def run_filter(self) -> RunFilter:
        """The filter for the repository."""
        return RunFilter(
            STATES_OF[self.state], self.q, self.network, self.dataset, self.strategy, self.tag,
            self.state == "archived", self.sort,
        )  # fmt: skip

    @property
    def text(self) -> str:
        """The query as text, without the values that are defaults."""
        given = {name: getattr(self, name) for name in RunListQuery.__slots__}
        return urlencode({name: value for name, value in given.items() if value not in ("", 0, "newest")})

    @property
    def address(self) -> str:
        """The address with this query."""
        return f"/runs?{self.text}" if self.text else "/runs"

    @property
    def filtered(self) -> bool:
        """Whether the query narrows the list."""
        return replace(self, sort="newest", offset=0) != RunListQuery()


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in the list."""

    run: Run
    why: str
    resume: bool
    """Whether the end of a server interrupted it, so that the row offers to resume it."""
    note: str
    spark: str
    best: float | None
    elapsed: float | None


@dataclass(frozen=True, slots=True)
class RunList:
    """A page of the list. ``filters`` are name, word, choices and the chosen one."""

    query: RunListQuery
    rows: list[RunLine]
    total: int
    everything: int
    archived: int
    filters: list[tuple[str, str, list[tuple[str, str]], str]]

    @property
    def newer(self) -> str:
        """The address of the page before, or nothing."""
        before = replace(self.query, offset=max(0, self.query.offset - PAGE_RUNS))
        return before.address if self.query.offset else ""

    @property
    def older(self) -> str:
        """The address of the page after, or nothing."""
        after = replace(self.query, offset=self.query.offset + PAGE_RUNS)
        return after.address if self.total > after.offset else ""


def run_list(session: Session, query: RunListQuery) -> RunList:
    """Gather a page of the list of runs."""
    runs, total = find_runs(session, query.run_filter, PAGE_RUNS, query.offset)
    _, everything = find_runs(session, RunFilter(), 0)
    _, archived = find_runs(session, RunFilter(archived=True), 0)
    values = filter_choices(session)
    filters = [
        (
            name,
            word,
            [(value, FIELDS[name].word(value) if name in FIELDS else value) for value in values[name]],
            getattr(query, name),
        )
        for name, word in FILTERS
        if len(values[name]) > 1 or getattr(query, name) or (name == "tag" and values[name])
    ]
    return RunList(query, run_lines(session, runs), total, everything, archived, filters)


def run_lines(session: Session, runs: Sequence[Run]) -> list[RunLine]:
    """Return the rows of the list of runs."""
    series = sparklines(session, [run.id for run in runs])
    return [
        RunLine(
            run, _why(run), run.state == RunState.INTERRUPTED and is_resumable(run), _excerpt(run.note),
            polyline(series.get(run.id, [])), _best(run), elapsed_seconds(run),
        )
        for run in runs
    ]  # fmt: skip


def _best(run: Run) -> float | None:
    best: dict[str, float] = run.best_metrics.get("evaluate_accuracy") or {}
    return best.get("value")


def _why(run: Run) -> str:
    if problems := problems_of(run):
        return problems
    said = run.reason or ""
    if run.state in ("waiting", "queued") and run.blocked_on:
        said = run.blocked_on["sentence"]
    return sentence(said).removesuffix(".")


def _excerpt(note: str) -> str:
    first = note.partition("\n")[0]
    return f"{first[:EXCERPT].rstrip(' .')}…" if len(first) > EXCERPT or "\n" in note else first
