"""Steering in words: which buttons a run's state allows, what its stop would cost, and what an action did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from federation.run.states import ACTIVE, ENDED, RunState
from federation.server.flower_server import LiveClient
from webapp.db.repository.clients import client_names
from webapp.db.repository.events import newest_events
from webapp.db.repository.runs import is_resumable
from webapp.db.tables import Client, Run
from webapp.formatting import count as in_figures
from webapp.formatting import plural, span
from webapp.pages.flash import Said

MORE_ROUNDS, LONGER_SECONDS = 5, 600
LOOKED_AT = 300
NOTED = {
    "notes": Said("Note and tags are saved."), "note": Said("The note is saved."), "tags": Said("The tags are saved."),
}  # fmt: skip
STOPPABLE = {*ACTIVE, RunState.QUEUED} - {RunState.STOPPING}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A client that the run does not ask: by a person's wish or put aside, with the sentence that says so."""

    id: int
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Buttons:
    """What a person may do with a run now."""

    pause: bool
    unpause: bool
    go_on: bool
    resume: bool
    release: bool
    add_rounds: bool
    cancel: bool
    stop: bool
    may_leave: Sequence[Client]
    left_out: Sequence[LeftOut]
    fewer: int
    """With so many clients it could go on at once; 0 where that is not to be had."""
    wait: bool
    more_rounds: int = MORE_ROUNDS
    longer_seconds: int = LONGER_SECONDS


def buttons_of(session: Session, run: Run, clients: Sequence[Client], live: Mapping[int, LiveClient]) -> Buttons:
    """Return the buttons of a run; ``clients`` are those that take part."""
    state = RunState(run.state)
    blocked = (run.blocked_on or {}).get("kind")
    actions, here = (run.blocked_on or {}).get("actions", ()), sum(client.id in live for client in clients)
    asks = state in ACTIVE and state != RunState.STOPPING
    done = run.checkpoint is not None and run.current_round >= run.num_rounds
    return Buttons(
        pause=state == RunState.RUNNING and not run.pausing and run.current_round + 1 < run.num_rounds,
        unpause=run.pausing and state in (RunState.RUNNING, RunState.WAITING),
        go_on=state == RunState.PAUSED and blocked != "storage",
        resume=is_resumable(run) and not done, release=state == RunState.QUEUED and run.held,
        add_rounds=state != RunState.STOPPING and (state != RunState.CANCELLED or is_resumable(run)),
        cancel=state == RunState.QUEUED, stop=state in STOPPABLE and state != RunState.QUEUED,
        may_leave=[client for client in clients if client.id not in run.excluded] if asks else [],
        left_out=left_out(session, run) if asks or is_resumable(run) else [],
        fewer=here if "min_clients" in actions and here < run.config["min_clients"] else 0, wait="wait" in actions,
    )  # fmt: skip


def left_out(session: Session, run: Run) -> list[LeftOut]:
    """Return the clients that one run leaves out, with the newest word about each."""
    if not run.excluded:
        return []
    names, why = client_names(session, run.excluded), dict[int, str]()
    for event in newest_events(session, run_id=run.id, types=("run", "client"), limit=LOOKED_AT):
        client_id = event.client_id or event.data.get("client_id")
        if event.data.get("state") == "put_aside":
            why.setdefault(client_id or 0, f"was put aside: {event.data.get('reason')}")
        elif event.data.get("asked") == "exclude":
            by = event.data.get("by") or "a person"
            why.setdefault(client_id or 0, f"was left out of this run by {by}")
    return [LeftOut(c, names.get(c, f"client {c}"), why.get(c, "is left out of this run")) for c in run.excluded]


def is_let_go_on(session: Session, run: Run) -> bool:
    """Say whether a run goes on: its rounds do, or a person has just ended its pause and it is about to."""
    if run.state == RunState.PAUSED:
        last = newest_events(session, run_id=run.id, types=("run",), limit=1)
        return bool(last) and last[0].data.get("asked") == "continue"
    return run.state in (RunState.WAITING, RunState.RUNNING) and not run.pausing


def said_of(
    done: str, run: Run, client: tuple[int, str], count: int, back: str, *, goes_on: bool
) -> Said | None:  # fmt: skip
    """Say what an action did, as far as it is still so: an address may be opened again later, or stay open for hours.

    ``client`` are id and name of the one that the action was about.
    """
    here, (of, name) = f"/runs/{run.id}", client
    last, coming = in_figures(run.current_round), in_figures(run.current_round + 1)
    match done:
        case "pause" if run.pausing and run.state in (RunState.WAITING, RunState.RUNNING):
            text = f"The run pauses when round {coming} is committed. Clients stay connected."
            return Said(text, f"{here}/continue", back=back)
        case "pause" if run.state == RunState.PAUSED:
            return Said(f"The run is paused after round {last}.", f"{here}/continue", back=back)
        case "continue" | "resume" if goes_on:
            return Said("The run goes on.")
        case "resume" if run.state == RunState.QUEUED:
            return Said(f"The run is in the queue and goes on after round {last}.")
        case "rounds" if 0 < count < run.num_rounds:
            return Said(f"Added {plural(count, 'round')}: the run has {in_figures(run.num_rounds)} now.")
        case "exclude" if name and of in run.excluded and run.state not in ENDED:
            return Said(f"{name} is left out of this run from the next round on.")
        case "include" if name and of not in run.excluded:
            return Said(f"{name} takes part in this run again from the next round on.")
        case "min_clients" if count == run.config["min_clients"]:
            return Said(f"The minimum is now {plural(count, 'client')}.")
        case "wait" if count and "wait" in (run.blocked_on or {}).get("actions", ()):
            return Said(f"The run waits {span(count)} longer for its clients.")
        case "front" if run.state == RunState.QUEUED:
            return Said(f"#{run.id} goes first now.")
        case "stop" if run.state in (RunState.STOPPING, RunState.STOPPED):
            kept = f" {plural(run.current_round, 'committed round')} and the model stay." if run.checkpoint else ""
            return Said(f"The run is {'stopped' if run.state in ENDED else 'stopping'}.{kept}")
        case "stop" if run.state == RunState.CANCELLED:
            return Said(f"#{run.id} is taken out of the queue.")
    return NOTED.get(done)
