"""Blockers: each thing that keeps the next round from starting, and the action that clears it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from federation.run.states import RunState
from federation.server.flower_server import LiveClient
from webapp.db.repository.client_history import misfits
from webapp.db.repository.clients import list_clients
from webapp.db.repository.queue.order import queue_lengths, queued_runs
from webapp.db.tables import Client, Run
from webapp.formatting import plural, size
from webapp.operations.views import client_state
from webapp.pages.clients.rows import why_not
from webapp.pages.clients.warnings import runs_ahead
from webapp.pages.wording import listed, run_numbers

LEAST_FREE_BYTES = 1_000_000_000
Method = Literal["get", "post"]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A blocker: its sentence with the glyph of a state, and the action that removes it: label, address, method."""

    state: str
    text: str
    word: str = ""
    address: str = ""
    method: Method = "get"


def obstacles(
    session: Session, live: Mapping[int, LiveClient], *, flower_runs: bool, free_bytes: int | None,
    parallel_runs: int = 1,
) -> list[Obstacle]:  # fmt: skip
    """Return the blockers, the most serious first; none while rounds are completed."""
    clients, ahead = list_clients(session), runs_ahead(session)
    found: list[Obstacle] = []
    if not flower_runs:
        found.append(Obstacle("failed", "The Flower server is not running: no client can connect. Restart Meadow."))
    if free_bytes is not None and free_bytes < LEAST_FREE_BYTES:
        text = f"Only {size(free_bytes)} free on the data volume: a run pauses when it is full. Free up disk space."
        found.append(Obstacle("waiting", text))
    found += _clients(clients, live)
    if not ahead:
        text = "No run is active or queued."
        return [*found, Obstacle("idle", text, "Start a run", "/runs/new")]
    found += [one for run in ahead for one in _run(session, run, clients, live)]
    return found + _queue(session, ahead, parallel_runs)


def _clients(known: Sequence[Client], live: Mapping[int, LiveClient]) -> list[Obstacle]:
    found = []
    pending = [client.name for client in known if client.state == "pending"]
    if pending:
        found.append(Obstacle("pending", f"Pending approval: {listed(pending)}.", "Approve", "/clients?show=pending"))
    here = [client for client in known if client.id in live and client.state == "admitted"]
    if not here:
        text = "No client is online." if known else "No client has connected yet."
        found.append(Obstacle("offline", text, "Connect a client", "/clients#join-h"))
    if silent := [client.name for client in here if client_state(client, live.get(client.id)) == "stale"]:
        text = f"No signal from {listed(silent)}: the machine sleeps, or its network is down."
        found.append(Obstacle("stale", text, "View", "/clients?show=online"))
    for client in here:
        if problem := live[client.id].problem:
            text = f"{client.name} cannot take part in any run: {problem}."
            found.append(Obstacle("refused", text, "View", f"/clients/{client.id}"))
    if out := [client.name for client in here if client.left_out]:
        found.append(Obstacle("paused", f"Excluded from all runs: {listed(out)}.", "Include", "/clients?show=left-out"))
    return found


def _run(session: Session, run: Run, clients: Sequence[Client], live: Mapping[int, LiveClient]) -> list[Obstacle]:
    found = []
    name, address = f"#{run.id} {run.name}", f"/runs/{run.id}"
    blocked = run.blocked_on or {}
    if run.held:
        text = f"{name} is held: {blocked.get('sentence', 'start the run to release it')!s}."
        return [Obstacle("queued", text, "Start now", f"{address}/resume", "post")]
    if run.state == RunState.PAUSED:
        found.append(Obstacle("paused", f"{name} is paused after round {run.current_round:,}.", "View run", address))
    elif blocked.get("kind") in ("quorum", "prepare", "storage"):
        found.append(Obstacle("waiting", f"{name} is waiting: {blocked['sentence']}.", "View run", address))
    if blocked.get("kind") == "quorum" or run.state == RunState.QUEUED:
        misfit = misfits(session, run.id)
        for client in clients:
            here = live.get(client.id)
            reason = why_not(client, run, misfit, here)
            if here and not here.problem and client.state == "admitted" and not client.left_out and reason:
                text = f"{client.name} is not eligible for {name}: {reason}."
                found.append(Obstacle("refused", text, "View", f"/clients/{client.id}"))
    return found


def _queue(session: Session, ahead: Sequence[Run], parallel_runs: int) -> list[Obstacle]:
    found, first = [], ahead[0]
    if held := [run for run in queued_runs(session) if run.held and run.id != first.id]:
        text = f"Held since the restart, start them in the queue: {run_numbers([run.id for run in held])}."
        found.append(Obstacle("queued", text, "View queue", "/"))
    free, _held = queue_lengths(session)
    if free and first.state != RunState.QUEUED:
        rule = "One run is active at a time"
        if parallel_runs > 1:
            rule = f"Up to {parallel_runs:,} runs are active at a time, each with clients of its own"
        text = f"Queued behind {run_numbers([run.id for run in ahead])}: {plural(free, 'run')}. {rule}."
        found.append(Obstacle("queued", text, "View queue", "/"))
    return found
