"""Clients in words: who is here, what each does in the active run, what machine and data it brings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from sqlalchemy.orm import Session

from federation.run.eligibility import Ineligible, why_ineligible
from federation.run.events import Progress
from federation.run.states import ACTIVE, ENDED, RunState
from federation.server.flower_server import LiveClient
from webapp.db.repository.client_history import misfits
from webapp.db.repository.series import clients_of_run, values_of
from webapp.db.tables import Client, Run
from webapp.formatting import THIN, count, plural, share_of_range
from webapp.operations.views import client_state
from webapp.pages.clients.exclusions import Exclusion, exclusions_of
from webapp.pages.clients.holdings import dataset_of, partition_words, train_samples
from webapp.pages.cut import FEW, Cut, cut
from webapp.pages.measure import Measure, measure_of
from webapp.pages.wording import task_words

SPARK_ROUNDS = 24


@dataclass(frozen=True, slots=True)
class ClientNow:
    """A client's row while a run is active. Places on the strip are percent of its width."""

    id: int
    name: str
    state: str
    task: str
    idle: bool
    batch: int | None
    batches: int | None
    loss: float | None
    spark: list[float | None]
    value: str
    """Its evaluation, in the metric that the run opens on."""
    lost_after: int | None
    """The round of ``value`` where that is not the run's last one."""
    at: float | None
    mean_at: float | None
    worst: bool
    preparing: bool
    holds: str
    """How much of which data, ``898 samples of digits``; empty if the client does not report it."""


KIND_WORDS = {"simulated": "simulated", "supernode": "SuperNode"}
"""What a list says of a client that is no ordinary one."""


def why_not(client: Client, run: Run, misfit: Mapping[int, str], here: LiveClient | None) -> str | None:
    """Return why a client, ``here`` where it is connected, is not eligible, or None; for after its name and a colon."""
    if client.state == "pending":
        return "pending approval"
    if run.network == "app" and client.lane != "fleet":
        return "no SuperNode; a Flower App runs on SuperNodes alone"
    if here is not None and here.problem and run.network != "app":
        return here.problem
    if client.left_out:
        return "excluded from all runs by a user"
    match unmet_by(client, run):
        case Ineligible.NOT_SELECTED:
            return "not selected for the run"
        case Ineligible.NO_APP if client.kind == "supernode":
            return "a SuperNode; the run names no app for SuperNodes"
        case Ineligible.NO_APP:
            return "a built-in client; the run needs a client started with --app"
        case Ineligible.OWN_APP:
            return f"a client with an app of its own; the run trains {run.network}"
        case Ineligible.OTHER_DATASET:
            return f"dataset {client.data.get('dataset') or 'unknown'}, the run needs {run.dataset}"
    return misfit.get(client.id)


def unmet_by(client: Client, run: Run) -> Ineligible | None:
    """Return the condition of a run that a client does not meet by what it is and holds; None where it meets all."""
    return why_ineligible(
        client.id, client.data, network=run.network, dataset=run.dataset, selected=run.config.get("clients"),
        node_app=run.config.get("node_app"),
    )  # fmt: skip


def why_elsewhere(run: Run, here: LiveClient) -> str | None:
    """Return why a connected client that could take part in an active run is not the run's; else None."""
    if run.state not in ACTIVE or here.run_id == run.id:
        return None
    if here.run_id is not None:
        return f"in run #{here.run_id}"
    most, has_some = run.config.get("max_clients"), run.state in (RunState.RUNNING, RunState.PAUSED)
    return f"free; the run takes at most {plural(most, 'client')}" if most and has_some else None


def by_reason(clients: Iterable[tuple[Client, str]]) -> list[tuple[list[Client], str]]:
    """Group clients by their reason, in the order of the first client of each."""
    found: dict[str, list[Client]] = {}
    for client, reason in clients:
        found.setdefault(reason, []).append(client)
    return [(group, reason) for reason, group in found.items()]


@dataclass(frozen=True, slots=True)
class Split:
    """The clients beside a run: those that take part, and those online that do not, with the reason."""

    taking_part: list[Client]
    not_for_it: list[tuple[Client, str]]
    includable: frozenset[int]
    """Ids of the clients that a person may include: excluded from the run, or unable to prepare for it."""
    excluded: list[Exclusion]
    unfit: Mapping[int, str]
    """Client -> why it could not prepare."""

    @property
    def reasons(self) -> list[tuple[list[Client], str]]:
        """The clients that are not eligible by reason; one that a person may include stands alone."""
        alone = [([client], why) for client, why in self.not_for_it if client.id in self.includable]
        return alone + by_reason(one for one in self.not_for_it if one[0].id not in self.includable)


def split(session: Session, run: Run, clients: Sequence[Client], live: Mapping[int, LiveClient]) -> Split:
    """Part the clients: online and eligible, or with a value in the run before; and online but not for it.

    Beside an ended run are only the clients that it excludes: who else is online has nothing to do with it.
    """
    excluded = exclusions_of(session, run)
    left = {one.id: one.why for one in excluded}
    unfit, over = misfits(session, run.id), run.state in ENDED
    misfit = unfit | left
    seen = {client_id for client_id, _ in clients_of_run(session, run.id)}
    part, other = [], []
    for client in clients:
        reason = why_not(client, run, misfit, live.get(client.id))
        if reason is None and client.id in live:
            reason = why_elsewhere(run, live[client.id])
        if reason is None and (client.id in live or client.id in seen):
            part.append(client)
        elif reason is not None and client.id in live and (client.id in left or not over):
            other.append((client, reason))
    includable = {client.id for client, reason in other if reason == misfit.get(client.id)}
    return Split(part, other, frozenset(includable), excluded, unfit)


def clients_now(
    session: Session, run: Run, clients: Sequence[Client], live: Mapping[int, LiveClient], q: str = "", page: int = 0
) -> Cut[ClientNow]:  # fmt: skip
    """Return the rows of the clients that take part and have ``q`` in their names, in the order of their first joining.

    Of many the rows begin with those that give no signal, then the worst values of the last round.
    """
    ids, measure = [client.id for client in clients], measure_of([run], "evaluate", "")
    values = values_of(session, run.id, "evaluate", measure.name, ids, first=run.current_round)
    last = {c: value for c, of in values.items() if (value := of.get(run.current_round)) is not None}
    mean = (run.last_metrics or {}).get(measure.key)
    place = _scale(measure, [*last.values(), *([mean] if mean is not None else [])])
    worst = min(last, key=lambda c: measure.rank(last[c])) if len(last) > 2 and measure.least is not None else None
    matching = [client for client in clients if q.casefold() in client.name.casefold()]
    if len(matching) > FEW:
        silent = {client.id for client in matching if client_state(client, live.get(client.id)) in ("offline", "stale")}
        rank = {c: measure.rank(value) for c, value in last.items()}
        matching.sort(key=lambda client: (client.id not in silent, rank.get(client.id, inf)))
    shown = cut(matching, page)
    first = max(0, run.current_round - SPARK_ROUNDS + 1)
    ids = [client.id for client in shown.rows]
    losses = values_of(session, run.id, "train", "loss", ids, first=first)
    recent = values_of(session, run.id, "evaluate", measure.name, ids, first=first)
    former = {c: max(of.items()) for c, of in recent.items() if c not in last and c not in live}
    rows, paused = [], run.state == RunState.PAUSED
    for client in shown.rows:
        here = live.get(client.id)
        task = here.task if not paused and here and here.task and here.task.run_id == run.id else None
        spark = list(losses.get(client.id, {}).values())
        lost_after, value = former[client.id] if client.id in former else (None, last.get(client.id))
        rows.append(ClientNow(
            client.id, client.name, client_state(client, live.get(client.id)), _doing(here, task, paused, lost_after),
            task is None or task.task == "sent", *_progress(task),
            task.loss if task and task.loss is not None else (spark[-1] if spark else None), spark,
            measure.write(value), lost_after, place(last.get(client.id)), place(mean), client.id == worst,
            task is not None and task.task == "preparing", _holds(client),
        ))  # fmt: skip
    return shown.with_rows(rows)


def _doing(here: LiveClient | None, task: Progress | None, paused: bool, lost_after: int | None) -> str:
    if here is None:
        return "Offline" if lost_after is None else f"Offline, last in round {count(lost_after)}"
    if here.state == "stale":
        return f"No signal for {round(here.silent_seconds)}{THIN}s"
    return "Paused" if paused else task_words(task)


def _progress(task: Progress | None) -> tuple[int | None, int | None]:
    if task is None or (task.phase == "prepare" and task.task == "sent"):
        return 0, 1
    if task.task in ("sending", "sent"):
        return 1, 1
    if task.batch is not None and task.batches:
        return task.batch, task.batches
    return (0, 1) if task.task == "asked" else (None, None)


def _scale(measure: Measure, values: Sequence[float]) -> Any:
    """Return a function from a value to percent of a strip, which spans a tenth of 1 or of the largest at least."""
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    least = 0.1 if measure.is_share else max(abs(low), abs(high)) / 10 or 1.0
    if high - low < least:
        low, high = (low / 2 + high / 2) - least / 2, (low / 2 + high / 2) + least / 2

    def place(value: float | None) -> float | None:
        return None if value is None else round(12 + share_of_range(value, low, high) * 76, 1)

    return place


def machine(client: Client) -> str:
    """Say what a client runs on: ``4 CPUs, 16 GB``."""
    facts, parts = client.facts, [KIND_WORDS[client.kind]] if client.kind in KIND_WORDS else []
    if isinstance(cpus := facts.get("cpus"), int):
        parts.append(plural(cpus, "CPU"))
    if isinstance(memory := facts.get("memory_bytes"), int | float):
        parts.append(f"{round(memory / 2**30)}{THIN}GB")
    return ", ".join(parts) or "not reported"


def software(client: Client) -> str:
    """Say which versions a client runs: ``tf 2.21, client 0.1.0``."""
    said = client.versions
    names = (("tensorflow", "tf"), ("flwr", "flwr") if client.kind == "supernode" else ("meadow", "client"))
    parts = [f"{short} {'.'.join(str(said[key]).split('.')[:3])}" for key, short in names if said.get(key)]
    return ", ".join(parts)


def _holds(client: Client) -> str:
    amount, dataset = train_samples(client), dataset_of(client)
    return f"{count(amount)} samples of {dataset}" if amount is not None and dataset else ""


def holding(client: Client) -> tuple[str, str]:
    """Say what data a client holds: how much, and what it is."""
    amount, dataset = train_samples(client), dataset_of(client)
    if not dataset:
        return "", ""
    held = f"{count(amount)} samples" if amount is not None else "counted in the first run"
    return held, ", ".join(filter(None, (dataset, partition_words(client))))
