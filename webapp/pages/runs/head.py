"""A run in words: what it does, whom it waits for, how far it is."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from federation.run.events import Progress
from federation.run.states import ACTIVE, ENDED, RunState
from federation.server.flower_server import LiveClient
from webapp.db.repository.events import newest_events
from webapp.db.repository.rounds import recent_seconds
from webapp.db.repository.series import Series
from webapp.db.tables import Run
from webapp.formatting import about, count, duration, plural, size
from webapp.operations.views import elapsed_seconds, remaining_seconds
from webapp.pages.event_sentences import LOCAL
from webapp.pages.measure import Measure, main_measure
from webapp.pages.runs.round_bars import RoundBars, bars_of
from webapp.pages.wording import STATES, end_of, listed, problems_of

MARKED_EVENTS = 300
NOUNS = {"evaluation": "Evaluation", "statistics": "Statistics"}
WORK = {"evaluation": "Evaluating", "statistics": "Counting rows"}
"""What a run that trains nothing does."""
DOING = {"prepare": "Preparing", "train": "Training", "evaluate": "Evaluating"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure of a run's head; ``since`` are seconds that the page counts up."""

    label: str
    text: str
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """What a run is waiting for, where a person can end the wait."""

    kind: str
    sentence: str
    since: datetime
    left_seconds: float | None
    whole_seconds: float | None


@dataclass(frozen=True, slots=True)
class RunHead:
    """The top of a run's page, and of the home page while the run is active."""

    run: Run
    measure: Measure
    """The metric that bars, clients and lists are told in."""
    active: bool
    headline: str
    detail: str
    closes_in: float | None
    facts: list[Fact]
    remaining_seconds: float | None
    """How long an active run will take, by its last rounds; None where that is not known."""
    wait: Wait | None
    bars: RoundBars
    marks: list[dict[str, Any]]

    @property
    def title(self) -> str:
        """The title of the browser tab: state (unless running), round, figure and name, the shortest first."""
        run, measure = self.run, main_measure(self.run)
        state = STATES[run.state] if run.state != RunState.RUNNING else ""
        rounds = f"{count(run.current_round)}/{count(run.num_rounds)}" if run.num_rounds else ""
        value = run.last_metrics.get(measure.key)
        name = "" if measure.is_share else f"{measure.name} "
        figure = f"{name}{measure.write(value)}" if value is not None else ""
        return " · ".join(filter(None, (state, rounds, figure, run.name)))


def head_of(session: Session, run: Run, measure: Measure, series: Series, tasks: Mapping[str, Progress]) -> RunHead:
    """Put a run in words; ``series`` are the values of ``measure``, ``tasks`` what its clients do, by name."""
    active = run.state in ACTIVE
    blocked = run.blocked_on or {}
    recent = recent_seconds(session, [run.id]).get(run.id, [])
    remaining = remaining_seconds(run, recent)
    closes_in = _left(run) if active and blocked.get("kind") == "round" else None
    return RunHead(
        run, measure, active, headline(run, tasks), detail(run, tasks), closes_in,
        _facts(run, series, active, recent, remaining), remaining, _wait(run, blocked),
        bars_of(run, measure, series, active=active), marks_of(session, run.id),
    )  # fmt: skip


def tasks_of(run: Run, live: Mapping[int, LiveClient], names: Mapping[int, str]) -> dict[str, Progress]:
    """Return what the clients of a run's present phase do, by name in the clients' order."""
    tasks = [(c, task) for c, one in sorted(live.items()) if (task := one.task) is not None and task.run_id == run.id]
    order = {"prepare": 0, "train": 1, "evaluate": 2}
    present = max(((task.round, order[task.phase]) for _, task in tasks), default=None)
    if present is None or (present[0] <= run.current_round and (run.current_round > 0 or run.last_metrics)):
        return {}
    return {names.get(c, f"client {c}"): task for c, task in tasks if (task.round, order[task.phase]) == present}


def headline(run: Run, tasks: Mapping[str, Progress]) -> str:
    """Return the present state of a run as a sentence without a full stop."""
    of = f"{count(run.current_round)} of {plural(run.num_rounds, 'round')}"
    measure = main_measure(run)
    value = (run.last_metrics or {}).get(measure.key)
    reached = f", {measure.name} {measure.write(value)}" if value is not None else ""
    blocked = run.blocked_on or {}
    match run.state:
        case "paused" | "stopping" | "completed" | "cancelled" if run.kind in NOUNS:
            problems = " with problems" if problems_of(run) else ""
            return f"{NOUNS[run.kind]} {run.state}{problems}{reached}"
        case "stopped" | "failed" | "interrupted" if run.kind in NOUNS:
            return f"{NOUNS[run.kind]} {run.state}"
        case "queued":
            return _unstopped(blocked.get("sentence")) or "Queued"
        case "waiting" | "running" | "paused" if blocked.get("kind") in ("quorum", "prepare", "storage", "evaluation"):
            return _unstopped(blocked["sentence"])
        case "waiting":
            return "Waiting for clients"
        case "running":
            return _round_sentence(run, tasks)
        case "paused":
            return f"Paused after round {of}"
        case "stopping":
            return f"Stopping after round {of}"
        case "completed":
            problems = " with problems" if problems_of(run) else ""
            done = of if run.stop_rule else plural(run.current_round, "round")
            return f"Completed {done}{problems}{reached}"
        case "cancelled":
            return f"Cancelled in the queue after {of}" if run.current_round else "Cancelled before the first round"
        case state:
            return f"{STATES[state]} after {of}{reached}"


def _unstopped(said: Any) -> str:
    """Return a sentence without its full stop, as a heading has it."""
    return str(said or "").rstrip(". ")


def _round_sentence(run: Run, tasks: Mapping[str, Progress]) -> str:
    number = run.current_round + 1
    if not tasks and run.kind in NOUNS:
        return WORK[run.kind]
    if not tasks:
        return f"Round {count(number)} of {count(run.num_rounds)}"
    task = next(iter(tasks.values()))
    sent = sum(one.task == "sent" for one in tasks.values())
    replied = f"{count(sent)} of {plural(len(tasks), 'client')} replied"
    if run.kind == "statistics":
        return f"{WORK[run.kind]}: {replied}"
    if task.phase == "prepare":
        return f"Clients are preparing: {replied}"
    if task.round == 0:
        return f"Evaluating{' the initial weights' if run.kind == 'training' else ''}: {replied}"
    doing = "training" if task.phase == "train" else "evaluating"
    return f"Round {count(task.round)} of {count(run.num_rounds)}, {doing}: {replied}"


def detail(run: Run, tasks: Mapping[str, Progress]) -> str:
    """Return the clients that are still at work, when the run starts, or why it ended."""
    number = run.current_round + 1
    if run.state == "queued":
        return "" if run.held else "Starts when its turn comes in the queue."
    if run.state in ENDED:
        problems = problems_of(run)
        return " ".join(filter(None, (end_of(run), f"{problems}." if problems else "")))
    if run.state == "waiting" and (run.blocked_on or {}).get("kind") == "quorum":
        what = "The run" if run.kind in NOUNS else f"Round {count(number)} of {count(run.num_rounds)}"
        return f"{what} starts when enough clients are online."
    groups: dict[str, list[str]] = {}
    for name, task in tasks.items():
        if task.task != "sent":
            doing = "Sending" if task.task == "sending" else DOING[task.phase]
            groups.setdefault(doing, []).append(name)
    return " ".join(f"{doing}: {listed(names)}." for doing, names in groups.items())


def _facts(run: Run, series: Series, active: bool, recent: Sequence[float], remaining: float | None) -> list[Fact]:
    elapsed = elapsed_seconds(run)
    facts = [Fact("Elapsed", duration(elapsed), elapsed if active else None)] if elapsed is not None else []
    if remaining:
        facts.append(Fact("Remaining", about(remaining)))
    if recent:
        facts.append(Fact("Last round", duration(recent[0])))
        facts.append(Fact("Traffic", size(int(series["sent"].max(initial=0)))))
    people = (("Started by", run.started_by), ("Resumed by", run.resumed_by), ("Stopped by", run.stopped_by))
    return facts + [Fact(label, name) for label, name in people if name and name != LOCAL]


def _left(run: Run) -> float | None:
    return None if run.deadline_at is None else max(0.0, run.deadline_at - time.monotonic())


def _wait(run: Run, blocked: Mapping[str, Any]) -> Wait | None:
    if run.state in ENDED or blocked.get("kind") not in ("quorum", "prepare", "storage", "paused", "held"):
        return None
    since = datetime.fromisoformat(blocked["since"])
    left, whole = _left(run), None
    if left is not None:  # both moments are of one reading of the clock, unless the deadline was moved
        whole = max(left, (datetime.fromisoformat(blocked["deadline"]) - since).total_seconds())
    return Wait(blocked["kind"], _unstopped(blocked["sentence"]), since, left, whole)


def marks_of(session: Session, run_id: int) -> list[dict[str, Any]]:
    """Return what happened between rounds, for the charts: kind, and a place between two rounds."""
    marks: list[dict[str, Any]] = []
    events = newest_events(session, run_id=run_id, types=("run", "round"), limit=MARKED_EVENTS)
    done = 0
    for event in reversed(events):
        if event.type == "round" and event.data.get("committed"):
            done = event.data["round"]
        elif event.type == "round":
            marks.append({"round": event.data["round"] - 0.5, "kind": "failed"})
        elif event.data.get("from") and event.data["state"] in ("paused", "queued"):
            kind = "paused" if event.data["state"] == "paused" else "resumed"
            marks.append({"round": done + 0.5, "kind": kind})
    return marks[-40:]
