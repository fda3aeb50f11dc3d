"""The buttons that steer a run: which of them its state allows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from federation.run.config import MAX_ROUNDS
from federation.run.states import ACTIVE, RunState
from federation.server.flower_server import LiveClient
from webapp.db.repository.runs import can_continue, is_resumable
from webapp.db.tables import Client, Run
from webapp.pages.clients.exclusions import Exclusion
from webapp.pages.clients.rows import Split

STOPPABLE = {*ACTIVE, RunState.QUEUED} - {RunState.STOPPING}


@dataclass(frozen=True, slots=True)
class Buttons:
    """What a person can do to a run now. ``release`` starts a queued run that a restart of the server held back."""

    pause: bool
    withdraw_pause: bool
    end_pause: bool
    resume: bool
    release: bool
    add_rounds: bool
    cancel: bool
    stop: bool
    may_exclude: Sequence[Client]
    excluded: Sequence[Exclusion]
    fewer_clients: int
    """The minimum with which a waiting run could start its round at once; 0 where no smaller one would help."""
    wait: bool
    more_rounds: int = 5
    max_rounds: int = MAX_ROUNDS
    longer_seconds: int = 600


def buttons_of(run: Run, parted: Split, live: Mapping[int, LiveClient]) -> Buttons:
    """Return the buttons of a run; ``parted`` are the clients beside it."""
    clients = parted.taking_part
    state, blocked = RunState(run.state), run.blocked_on or {}
    actions, online = blocked.get("actions", ()), sum(client.id in live for client in clients)
    samples = state in ACTIVE and state != RunState.STOPPING
    done = run.checkpoint is not None and run.current_round >= run.num_rounds
    return Buttons(
        pause=state == RunState.RUNNING
        and run.network != "app"
        and not run.pausing
        and run.current_round + 1 < run.num_rounds,
        withdraw_pause=run.pausing and state in (RunState.RUNNING, RunState.WAITING),
        end_pause=state == RunState.PAUSED and blocked.get("kind") != "storage",
        resume=is_resumable(run) and not done,
        release=state == RunState.QUEUED and run.held,
        add_rounds=run.kind == "training"
        and can_continue(run)
        and state != RunState.STOPPING
        and (state != RunState.CANCELLED or is_resumable(run)),
        cancel=state == RunState.QUEUED,
        stop=state in STOPPABLE and state != RunState.QUEUED,
        may_exclude=[client for client in clients if client.id not in run.excluded] if samples else [],
        excluded=parted.excluded if samples or is_resumable(run) else [],
        fewer_clients=online if "min_clients" in actions and online < run.config["min_clients"] else 0,
        wait="wait" in actions,
    )
