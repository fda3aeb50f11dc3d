"""Moves of a run from state to state, and requests of people to it, each with an event in the same transaction."""

from collections.abc import Sequence

from federation.run.config import RunConfig
from federation.run.events import Blocked
from federation.run.networks import trains_own_data
from federation.run.rounds.stop_rules import StopRule
from federation.run.states import ENDED, RunState, sources
from federation.run.strategies import ignored_options
from webapp.db.database import Session
from webapp.db.repository import runs as table
from webapp.db.repository.clients import client_names, list_clients
from webapp.db.repository.events import add_event, reply_problems
from webapp.db.repository.queue.experiments import settle_experiment
from webapp.db.repository.queue.order import move_to_front
from webapp.db.repository.rounds import delete_uncommitted_replies
from webapp.db.tables import Run
from webapp.operations.own_data.names import data_name_warning
from webapp.operations.rows import blocked_on, completion_reason
from webapp.problems import Conflict, NotFound


def get_run(session: Session, run_id: int) -> Run:
    """Return a run; raises NotFound."""
    run = table.get_run(session, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    return run


def require_weights(run: Run) -> None:
    """Raise Conflict for a run that has no weights to train on from."""
    if run.origin is not None:
        raise Conflict(f"Run {run.id} was imported: it cannot be continued. Start a new run instead.")
    if run.network == "app" and run.state != RunState.QUEUED:
        raise Conflict(f"Run {run.id} is of a Flower App, which brings its own loop: it cannot be continued.")
    if run.network != "app" and not table.can_continue(run):
        raise Conflict(
            f"The checkpoints of run {run.id} were removed: it cannot be continued. Start a new run instead."
        )


def move_run(
    session: Session,
    run_id: int,
    to: RunState,
    reason: str | None = None,
    by: str | None = None,
    blocked: Blocked | None = None,
    rule: StopRule | None = None,
) -> bool:
    """Move a run and say so in an event; False when it lost the race. ``rule`` is the stop rule that ends it."""
    waits, deadline_at = blocked_on(blocked)
    left = table.move_run(session, run_id, to, sources(to), reason, waits, deadline_at, by)
    if left is None:
        return False
    if to == RunState.STOPPED and by is None:  # its thread ends it, after a person has stopped it
        by = get_run(session, run_id).stopped_by
    data: dict[str, object] = {"state": to, "from": left, "reason": reason, "blocked_on": waits, "by": by}
    if rule is not None:
        table.set_values(session, run_id, stop_rule=rule)
        data["stop_rule"] = rule
    add_event(session, "run", data, run_id=run_id)
    experiment_id = get_run(session, run_id).experiment_id
    if experiment_id is not None and (to in ENDED or to == RunState.QUEUED):
        settle_experiment(session, experiment_id)
    return True


def problems_of(session: Session, run_id: int) -> str | None:
    """Return what a completed run has as its reason: which replies were not accepted."""
    return completion_reason(reply_problems(session, run_id), client_names(session))


def add_request_event(session: Session, run: Run, request: str, by: str | None = None, **more: object) -> None:
    """Say in an event who asked what of a run; its state is still the one before."""
    data = {"state": run.state, "reason": run.reason, "blocked_on": run.blocked_on, "asked": request, "by": by, **more}
    add_event(session, "run", data, run_id=run.id)


def queue_run(session: Session, config: RunConfig, by: str | None, name: str = "", **more: object) -> int:
    """Queue a new run, under its usual name if none is given; return its id. ``more`` are columns of its row."""
    name = name or config.title
    run_id = table.insert_run(session, name, config.stored(), by, **more)
    data: dict[str, object] = {"state": RunState.QUEUED, "reason": None, "blocked_on": None}
    if "experiment_id" not in more:  # one line of a log for the experiment, not one for each of its runs
        data |= {"by": by, "name": name}
    add_event(session, "run", data, run_id=run_id)
    own = "experiment_id" not in more and trains_own_data(config.network, config.dataset)
    if own and (warning := data_name_warning(config.network, config.dataset, list_clients(session))):
        add_event(session, "note", {"sentence": warning}, run_id=run_id)
    if ignored := ignored_options(config.strategy, config.strategy_options):
        why = "the clients' learning rate is an option of its own"
        sentence = f"{config.strategy} ignores {', '.join(ignored)}: {why}"
        add_event(session, "note", {"sentence": sentence}, run_id=run_id)
    return run_id


def requeue_run(session: Session, run: Run, by: str | None = None) -> None:
    """Queue an ended run; it continues from its last committed round.

    After the end by a stop rule, the rules start over: they count the rounds after that.
    """
    delete_uncommitted_replies(session, run.id, run.current_round)
    rules_after = run.rules_after if run.stop_rule is None else run.current_round
    table.set_values(session, run.id, archived_at=None, stop_rule=None, rules_after=rules_after)
    move_run(session, run.id, RunState.QUEUED, None, by)


def requeue_first(session: Session, runs: Sequence[Run], by: str | None = None) -> None:
    """Queue ended runs again before all others, in their order."""
    for run in reversed(runs):
        requeue_run(session, run, by)
        move_to_front(session, run.id)


def lost_words(run: Run) -> str:
    """Say what a restart of the server has left of an active run."""
    if run.network == "app":
        return "The server was restarted, which ended the app."
    if run.kind != "training":
        return "The server was restarted before the end of the run."
    if run.checkpoint is None:
        return "The server was restarted before the first round was completed."
    done, of = run.current_round, run.num_rounds
    at_work = run.state == RunState.RUNNING or (run.blocked_on or {}).get("kind") == "storage"
    rest = f", round {done + 1:,} is lost" if at_work else ""
    return f"The server was restarted: {done:,} of {of:,} rounds are saved{rest}."
