"""One run's page: its head, its charts and their lines, its rounds, its events, its configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sqlalchemy.orm import Session

from federation.server.flower_server import LiveClient
from webapp.db.repository.clients import list_clients
from webapp.db.repository.rounds import TROUBLE, ReplyRow, list_replies, newest_rounds
from webapp.db.repository.series import odd_means, places, values_of
from webapp.db.spread import Spread
from webapp.db.tables import Round, Run
from webapp.operations.downloads import Model
from webapp.pages.clients.rows import ClientNow, Split, clients_now, split
from webapp.pages.runs.buttons import Buttons, buttons_of
from webapp.pages.runs.charts import Line, RunCharts, charts_of, lines_of, mean_of
from webapp.pages.runs.head import RunHead, head_of, tasks_of
from webapp.pages.runs.heatmap import Heat, heat_of
from webapp.pages.runs.log import Log, log_of
from webapp.pages.runs.query import RunQuery
from webapp.pages.runs.timeline import Timeline, timeline_of
from webapp.pages.start.fields import config_lines
from webapp.pages.wording import listed

FEW_ROUNDS, MANY_ROUNDS = 12, 250
ACCURACY = "evaluate_accuracy"


@dataclass(frozen=True, slots=True)
class RoundLine:
    """One committed round as a row of the table."""

    round: int
    committed_at: datetime
    accuracy: float | None
    before: float | None
    loss: float | None
    best: bool
    lowest: float | None
    highest: float | None
    worst: str
    replies: str
    seconds: float
    bytes: int
    happened: str


@dataclass(frozen=True, slots=True)
class RunPage:
    """All that a run's page shows."""

    run: Run
    head: RunHead
    charts: RunCharts
    lines: list[Line]
    clients: list[ClientNow]
    rounds: list[RoundLine]
    total_rounds: int
    log: Log
    config: list[tuple[str, str]]
    buttons: Buttons
    parted: Split
    heat: Heat | None
    timeline: Timeline | None
    models: list[Model]


def run_page(
    session: Session, run: Run, live: Mapping[int, LiveClient], query: RunQuery, models: list[Model]
) -> RunPage:
    """Gather a run's page; only the newest rounds unless the query wants all."""
    known = list_clients(session)
    names = {client.id: client.name for client in known}
    head, parted = head_of(session, run, tasks_of(run, live, names)), split(session, run, known, live)
    limit = MANY_ROUNDS if query.all_rounds else FEW_ROUNDS
    rows = clients_now(session, run, parted.taking_part, live) if head.active else []
    return RunPage(
        run, head, charts_of(session, run, query.phase, query.metric),
        lines_of(session, run, query.pairs.get("lines", "")), rows, _rounds(session, run, names, limit, query.below),
        run.current_round, log_of(session, run.id, names, query.events, query.before), config_lines(run.config, names),
        buttons_of(session, run, parted.taking_part, live), parted, heat_of(session, run, query.cells),
        timeline_of(session, run, query.round), models,
    )  # fmt: skip


def _rounds(session: Session, run: Run, names: Mapping[int, str], limit: int, below: int | None) -> list[RoundLine]:
    rounds = newest_rounds(session, run.id, before=below, limit=limit + 1)
    if not rounds:
        return []
    first, last = rounds[:limit][-1].round, rounds[0].round
    spread = {
        place.round: place.spread[ACCURACY] for place in places(session, run.id, [ACCURACY], after=first - 1, last=last)
    }
    trouble: dict[int, list[ReplyRow]] = {}
    for reply in list_replies(session, run.id, first, last, outcomes=TROUBLE):
        trouble.setdefault(reply.round, []).append(reply)
    best = (run.best_metrics.get(ACCURACY) or {}).get("round")
    before = {row.round: older.metrics.get(ACCURACY) for row, older in pairwise(rounds)}
    said = _no_numbers(session, run, rounds[:limit], names)
    for number, replies in trouble.items():
        said.setdefault(number, []).extend(happened(replies))
    return [
        _round_line(row, before.get(row.round), spread.get(row.round), said.get(row.round, []), names, best)
        for row in rounds[:limit]
    ]


def _round_line(
    row: Round, before: float | None, spread: Spread | None, said: Sequence[str],
    names: Mapping[int, str], best: int | None,
) -> RoundLine:  # fmt: skip
    phase = row.outcomes.get("train") or row.outcomes.get("evaluate") or {}
    worst = spread.worst if spread and spread.clients > 1 else None
    return RoundLine(
        row.round, row.committed_at, mean_of(row.metrics, ACCURACY), before, mean_of(row.metrics, "evaluate_loss"),
        row.round == best, spread.least if spread else None, spread.most if spread else None,
        names.get(worst, f"client {worst}") if worst is not None else "",
        f"{phase.get('accepted', 0)}/{sum(phase.values())}", row.seconds,
        row.bytes_down + row.bytes_up, listed(said, 3),
    )  # fmt: skip


def _no_numbers(
    session: Session, run: Run, rounds: Sequence[Round], names: Mapping[int, str]
) -> dict[int, list[str]]:  # fmt: skip
    """Return round -> which of the means shown is no number, and whose value made it so."""
    said: dict[int, list[str]] = {}
    for name in ("accuracy", "loss"):
        unknown = [row.round for row in reversed(rounds) if row.metrics.get(f"evaluate_{name}", 0.0) is None]
        odd = odd_means(session, run.id, "evaluate", name, unknown)
        values = values_of(session, run.id, "evaluate", name, names, only=odd) if odd else {}
        for round_ in odd:
            culprits = [names[c] for c, of in values.items() if round_ in of and of[round_][1] != "finite"]
            because = f", as that of {listed(culprits)}" if culprits else ""
            said.setdefault(round_, []).append(f"{name} is no number{because}")
    return said


def happened(trouble: Sequence[ReplyRow]) -> list[str]:
    """Say what went wrong in a round in a few words."""
    said = []
    for reply in trouble:
        why = f": {reply.reason}" if reply.reason and reply.outcome != "late" else ""
        said.append(f"{reply.client} {reply.outcome}{why}")
    return list(dict.fromkeys(said))
