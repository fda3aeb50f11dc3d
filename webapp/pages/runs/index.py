"""The list of runs: the query of its address, its rows, and the choices of its filters."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from federation.run.states import RunState
from webapp.db.repository.metrics import sparklines
from webapp.db.repository.run_list import TEXTS, RunFilter, Sort, filter_choices, find_runs, group_sizes
from webapp.db.repository.runs import is_resumable
from webapp.db.tables import Run
from webapp.formatting import NOTHING, metric, percent
from webapp.operations.views import elapsed_seconds
from webapp.pages.cut import neighbours
from webapp.pages.markdown import plain
from webapp.pages.runs.grouping import Head, grouping_of, heads_of
from webapp.pages.sparklines import common_scale
from webapp.pages.start.fields import FIELDS
from webapp.pages.wording import end_of, problems_of, sentence

PAGE_RUNS, EXCERPT = 50, 90
SEGMENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "": ("All", ()), "active": ("Running", ("waiting", "running", "paused", "stopping")),
    "queued": ("Queued", ("queued",)), "completed": ("Completed", ("completed",)), "failed": ("Failed", ("failed",)),
    "ended": ("Stopped", ("stopped", "interrupted", "cancelled")), "archived": ("Archived", ()),
}  # fmt: skip
"""The segments of the list: the word of each, and the states of runs that it shows; none: all."""
SORTS: dict[Sort, tuple[str, str]] = {
    "newest": ("Newest", "Oldest"), "name": ("Name", "Name, Z to A"), "state": ("State", "State, Z to A"),
    "best": ("Best accuracy", "Worst accuracy"), "rounds": ("Most rounds", "Fewest rounds"),
    "longest": ("Longest", "Shortest"), "strategy": ("Strategy", "Strategy, Z to A"),
    "network": ("Network", "Network, Z to A"), "dataset": ("Dataset", "Dataset, Z to A"),
    "started": ("Last started", "First started"),
}  # fmt: skip
"""The orders of the list with their words, and those of the opposite order."""
COLUMNS: tuple[tuple[Sort | None, str, str], ...] = (
    ("name", "Run", ""), ("state", "State", ""), (None, "Accuracy by round", "p2"), ("best", "Best", "num"),
    ("rounds", "Rounds", "num p2"), ("longest", "Duration", "num p3"), ("strategy", "Strategy", "p3"),
    ("network", "Network", "p3"), ("dataset", "Dataset", "p3"), ("started", "Started", "num p2"),
)  # fmt: skip
"""The columns of the list: the order that a press of the head gives, the head, and its classes."""
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
    backwards: bool = False
    offset: int = 0
    group: str = ""

    @property
    def order(self) -> str:
        """The order as the address has it: ``best``, and ``-best`` for the opposite."""
        return f"{'-' * self.backwards}{self.sort}"

    @property
    def sorts(self) -> list[tuple[str, str]]:
        """The orders to choose from, with their words; the opposite of one only where it is chosen."""
        offered: list[tuple[str, str]] = [(name, words[0]) for name, words in SORTS.items()]
        return [*offered, (self.order, SORTS[self.sort][1])] if self.backwards else offered

    def sorted_by(self, sort: Sort) -> str:
        """Return the address of the list sorted by a column; the opposite order where it is sorted by it already."""
        backwards = self.sort == sort and not self.backwards
        return replace(self, sort=sort, backwards=backwards, offset=0).address

    def aria_sort(self, sort: Sort) -> str:
        """Return how a column is sorted: ascending, descending or none."""
        if self.sort != sort:
            return "none"
        return "ascending" if (sort in TEXTS) != self.backwards else "descending"

    @property
    def run_filter(self) -> RunFilter:
        """The filter for the repository."""
        return RunFilter(
            SEGMENTS[self.state][1], self.q, self.network, self.dataset, self.strategy, self.tag,
            self.state == "archived", self.sort, grouping_of(self.group), self.backwards,
        )  # fmt: skip

    @property
    def text(self) -> str:
        """The query as text, without the values that are defaults."""
        given = {name: getattr(self, name) for name in PARAMETERS} | {"sort": self.order}
        return urlencode({name: value for name, value in given.items() if value not in ("", 0, "newest")})

    @property
    def address(self) -> str:
        """The address with this query."""
        return f"/runs?{self.text}" if self.text else "/runs"

    @property
    def filtered(self) -> bool:
        """Whether the query narrows the list."""
        return replace(self, sort="newest", backwards=False, offset=0, group="") != RunListQuery()


PARAMETERS = tuple(name for name in RunListQuery.__slots__ if name != "backwards")
"""The names of the address; ``sort`` holds the direction as well."""


def parse_order(text: str) -> tuple[Sort, bool]:
    """Return an order of the address and whether it is backwards; an unknown one counts as the default."""
    known = next((sort for sort in SORTS if sort == text.removeprefix("-")), None)
    return (known, text.startswith("-")) if known else ("newest", False)


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in the list."""

    run: Run
    why: str
    resume: bool
    """Whether the end of a server interrupted it, so that the row offers to resume it."""
    note: str
    spark: list[float | None]
    best: str
    metric: str
    """What ``best`` is a value of, where that is not the accuracy."""
    elapsed: float | None

    @property
    def short_why(self) -> str:
        """The reason, cut where it is long: the run's page has all of it."""
        return self.why if len(self.why) <= EXCERPT else f"{self.why[:EXCERPT].rstrip(' .,;:')}…"


@dataclass(frozen=True, slots=True)
class RunList:
    """A page of the list, and the addresses of those beside it. ``filters`` are name, word, choices, the chosen one."""

    query: RunListQuery
    rows: list[RunLine]
    total: int
    everything: int
    archived: int
    filters: list[tuple[str, str, list[tuple[str, str]], str]]
    heads: dict[int, Head]
    """The heads of groups, by the run before which they stand."""
    newer: str
    older: str

    @property
    def scale(self) -> tuple[float, float]:
        """The scale of all curves of accuracy in the list: from 0 to 100 %, or as far as a value lies outside."""
        low, high = common_scale(row.spark for row in self.rows)
        return min(low, 0.0), max(high, 1.0)


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
    heads = heads_of(runs, query.group, group_sizes(session, query.run_filter)) if query.group else {}
    beside = neighbours(query.offset, total, PAGE_RUNS, lambda offset: replace(query, offset=offset).address)
    return RunList(query, run_lines(session, runs), total, everything, archived, filters, heads, *beside)


def run_lines(session: Session, runs: Sequence[Run]) -> list[RunLine]:
    """Return the rows of the list of runs."""
    series = sparklines(session, [run.id for run in runs])
    return [
        RunLine(
            run, _why(run), run.state == RunState.INTERRUPTED and is_resumable(run), _excerpt(run.note),
            series.get(run.id, []), *_best(run), elapsed_seconds(run),
        )
        for run in runs
    ]  # fmt: skip


def _best(run: Run) -> tuple[str, str]:
    """Return a run's best value as text and what it is of; the accuracy needs no name.

    A run without an accuracy has its own metrics: the first by name, the loss where there is no other.
    """
    known = {key: one for key, one in run.best_metrics.items() if (one or {}).get("value") is not None}
    if run.kind == "evaluation":  # its one result is neither the best nor the last
        known = {key: {"value": value} for key, value in run.last_metrics.items() if value is not None}
    if (accuracy := known.get("evaluate_accuracy")) is not None:
        return percent(accuracy["value"]), ""
    if not known:
        return NOTHING, ""
    key = min(known, key=lambda key: (key.startswith("train_"), key.endswith("_loss"), key))
    phase, _, name = key.partition("_")
    return metric(known[key]["value"], name), name if phase == "evaluate" else f"train {name}"


def _why(run: Run) -> str:
    if problems := problems_of(run):
        return " ".join(filter(None, (end_of(run), problems)))
    said = run.reason or ""
    if run.state in ("waiting", "queued") and run.blocked_on:
        said = run.blocked_on["sentence"]
    return sentence(said).removesuffix(".")


def _excerpt(note: str) -> str:
    first = plain(note)
    return f"{first[:EXCERPT].rstrip(' .')}…" if len(first) > EXCERPT or "\n" in note else first
