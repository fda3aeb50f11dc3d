"""What a person can do to a run that exists, one entry a verb: API and pages make their routes from this table."""

from collections.abc import Callable
from dataclasses import dataclass

from federation.run.states import RunState
from webapp.formatting import count, plural, span
from webapp.operations.steering import MAX_CLIENTS, MAX_ROUNDS, MAX_WAIT_SECONDS, Steering
from webapp.operations.views import RunView
from webapp.routes.dependencies import MAX_ID


@dataclass(frozen=True, slots=True)
class Argument:
    """The one whole number that a verb takes, from 1 to ``most``. ``body`` is its name in the API's schema."""

    field: str
    label: str
    most: int
    body: str
    description: str
    example: int


@dataclass(frozen=True, slots=True)
class Done:
    """What a verb did: the run after it, the verb's argument, and the name of the client where that is the argument."""

    run: RunView
    number: int = 0
    client: str = ""


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: the last part of its addresses, and the operation, which is called with the run's id and the argument.

    ``action`` and ``description`` are the API's, ``sentence`` is what the page says that follows a button. ``undo`` is
    the verb that takes it back. In the states ``reached`` the verb has nothing left to do: of several people who press
    its button at once, none is told that it failed.
    """

    name: str
    action: str
    operation: Callable[..., None]
    description: str
    sentence: Callable[[Done], str]
    argument: Argument | None = None
    undo: str = ""
    reached: frozenset[RunState] = frozenset()
    tag: str = "steering"


def _resumed(done: Done) -> str:
    if done.run.state != RunState.QUEUED:
        return "The run was resumed."
    after = f" and continues after round {count(done.run.current_round)}" if done.run.current_round else ""
    return f"The run was put in the queue{after}."


def _stopped(done: Done) -> str:
    run = done.run
    if run.state == RunState.CANCELLED:
        return f"#{run.id} was taken out of the queue."
    kept = f" {plural(run.current_round, 'committed round')} and the model are kept." if run.current_round else ""
    state = {RunState.STOPPING: "is stopping", RunState.STOPPED: "was stopped"}.get(run.state, f"is {run.state}")
    return f"The run {state}.{kept}"


CLIENT = Argument("client_id", "Client", MAX_ID, "OneClient", "Which client.", 1)

VERBS = (
    Verb(
        "pause", "pause_run", Steering.pause,
        "Pause a running run after the round that is under way. Clients stay connected.",
        lambda done: "The run was asked to pause after the round under way. Clients stay connected.", undo="continue",
    ),
    Verb(
        "continue", "continue_run", Steering.end_pause, "End a pause, or take back the wish for one.",
        lambda done: "The run was resumed.",
    ),
    Verb(
        "resume", "resume_run", Steering.resume,
        "Let an interrupted, stopped or failed run go on from its last committed round; or a queued one that is held.",
        _resumed,
    ),
    Verb(
        "rounds", "add_rounds", Steering.add_rounds, "Add rounds; a run that is over goes on with them.",
        lambda done: f"Added {plural(done.number, 'round')}: the run has {count(done.run.num_rounds)} now.",
        Argument("add", "Rounds to add", MAX_ROUNDS, "MoreRounds", "How many rounds to add.", 5),
    ),
    Verb(
        "exclude", "exclude_client", Steering.exclude, "Leave a client out of this run from the next round on.",
        lambda done: f"{done.client} was excluded from this run, from the next round on.", CLIENT,
    ),
    Verb(
        "include", "include_client", Steering.include,
        "Let a client in again that was left out of this run, or put aside after refused replies.",
        lambda done: f"{done.client} was included in this run again, from the next round on.", CLIENT,
    ),
    Verb(
        "min_clients", "ask_for_clients", Steering.set_min_clients,
        "Let a run do with fewer clients, at once; or ask for more, from its next round on.",
        lambda done: f"The minimum was set to {plural(done.number, 'client')}.",
        Argument("min_clients", "Clients", MAX_CLIENTS, "FewestClients", "How few clients are enough.", 1),
    ),
    Verb(
        "wait", "wait_longer", Steering.wait_longer,
        "Move the deadline by which the clients of a waiting run must be here.",
        lambda done: f"The wait for clients was made {span(done.number)} longer.",
        Argument("seconds", "Seconds", MAX_WAIT_SECONDS, "Longer", "How much longer to wait.", 600),
    ),
    Verb(
        "front", "move_to_front", Steering.move_to_front,
        "Let a queued run start before the others. One that a restart holds back stays held, and is the first then.",
        lambda done: f"#{done.run.id} was moved to the front of the queue.",
    ),
    Verb(
        "stop", "stop_run", Steering.stop,
        "Stop an active run within two seconds, or cancel a queued one. Committed rounds and the last weights stay.",
        _stopped, reached=frozenset({RunState.STOPPED, RunState.CANCELLED}), tag="runs",
    ),
)  # fmt: skip
