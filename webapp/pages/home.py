"""The home page: the active runs, or the next step if there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from federation.run.states import ACTIVE
from federation.server.flower_server import LiveClient
from webapp.charts.series_cache import SeriesCache
from webapp.db.repository.clients import list_clients
from webapp.db.repository.events import newest_events
from webapp.db.repository.queue.order import queued_runs
from webapp.db.repository.run_list import RunFilter, find_runs
from webapp.db.repository.runs import runs_in
from webapp.db.tables import Client, Run
from webapp.pages.clients.rows import ClientNow, Split, clients_now, split
from webapp.pages.cut import Cut
from webapp.pages.event_sentences import WORTH_SAYING, Line, log_lines
from webapp.pages.experiments.index import ExperimentLine, open_experiments
from webapp.pages.measure import measure_of
from webapp.pages.runs.buttons import Buttons, buttons_of
from webapp.pages.runs.charts import RunCharts, charts_of
from webapp.pages.runs.head import RunHead, head_of, headline, tasks_of

MAX_RECENT, LOOKED_AT = 6, 200


@dataclass(frozen=True, slots=True)
class Home:
    """All that the home page shows.

    ``head`` is of the active run, the first of several, else of the last one that began; None before any.
    """

    head: RunHead | None
    others: list[tuple[Run, str, int]]
    """The other active runs, each with its headline and the number of its clients that are online."""
    charts: RunCharts | None
    clients: Cut[ClientNow] | None
    seats: Cut[ClientNow] | None
    parted: Split | None
    buttons: Buttons | None
    online: list[Client]
    known: Sequence[Client]
    queue: Sequence[Run]
    experiments: list[ExperimentLine]
    recent: list[Line]

    @property
    def title(self) -> str:
        """The title of the browser tab."""
        if self.head is not None and self.head.active:
            return self.head.title
        return "No active run" if self.known else "No clients yet"

    @property
    def active(self) -> bool:
        """Whether a run is active."""
        return self.head is not None and self.head.active


def home(session: Session, series: SeriesCache, live: Mapping[int, LiveClient]) -> Home:
    """Gather the home page."""
    known = list_clients(session)
    names = {client.id: client.name for client in known}
    active = runs_in(session, ACTIVE)
    run = active[0] if active else _last_run(session)
    head = parted = buttons = charts = rows = seats = None
    if run is not None:
        measure = measure_of([run], "evaluate", "")
        head = head_of(
            session, run, measure, series.read(session, run, "evaluate", measure.name), tasks_of(run, live, names)
        )
        charts = charts_of(session, series, run)
        parted = split(session, run, known, live)
        buttons = buttons_of(run, parted, live)
        rows = clients_now(session, run, parted.taking_part, live)
        if head.wait is not None:
            seats = clients_now(session, run, [client for client in parted.taking_part if client.id in live], live)
    return Home(
        head, [_other(one, live, names) for one in active[1:]], charts, rows, seats, parted, buttons,
        [client for client in known if client.id in live], known,
        queued_runs(session), open_experiments(session),
        log_lines(
            newest_events(session, types=WORTH_SAYING, limit=LOOKED_AT), names, MAX_RECENT, brief=True,
            name_runs=len(active) > 1,
        ),
    )  # fmt: skip


def _other(run: Run, live: Mapping[int, LiveClient], names: Mapping[int, str]) -> tuple[Run, str, int]:
    here = sum(one.run_id == run.id for one in live.values())
    return run, headline(run, tasks_of(run, live, names)), here


def _last_run(session: Session) -> Run | None:
    newest, _ = find_runs(session, RunFilter(archived=None), 20)
    return next((run for run in newest if run.started_at is not None), None)
