"""What a person can do to a run that exists, one entry a verb: API and pages make their routes from this table."""

from collections.abc import Callable
from dataclasses import dataclass

from federation.run.config import MAX_CLIENTS, MAX_ROUNDS
from federation.run.states import RunState
from webapp.formatting import count, plural, span
from webapp.operations.steering import MAX_WAIT_SECONDS, Steering
from webapp.operations.views import RunView
from webapp.routes.dependencies import MAX_ID


@dataclass(frozen=True, slots=True)
class Argument:
    """The one whole number that a verb takes, from 1 to ``most``; ``body`` and ``description`` are the API's."""

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
    """A verb: the last part of its addresses, its operation, and the sentence of the page that follows its button.

    The operation takes the run's id and the argument; its name and docstring are the API's. ``undo`` is the verb that
    takes this one back. In the states ``reached`` the verb has nothing left to do, so that of several people who press
    its button at once none is told that it failed.
    """

    name: str
    operation: Callable[..., None]
    sentence: Callable[[Done], str]
    argument: Argument | None = None
    undo: str = ""
    reached: frozenset[RunState] = frozenset()
    tag: str = "steering"


def _resumed(done: Done) -> str:
    if done.run.state != RunState.QUEUED:
        return "The run was resumed." if done.run.last_metrics else "The run was started."
    after = f" and continues after round {count(done.run.current_round)}" if done.run.current_round else ""
    return f"The run is queued{after}."


def _stopped(done: Done) -> str:
    run = done.run
    if run.state == RunState.CANCELLED:
        return f"#{run.id} was cancelled."
    kept = f" {plural(run.current_round, 'completed round')} and the model are kept." if run.current_round else ""
    state = {RunState.STOPPING: "is stopping", RunState.STOPPED: "was stopped"}.get(run.state, f"is {run.state}")
    return f"The run {state}.{kept}"


ROUNDS = Argument("add", "Rounds to add", MAX_ROUNDS, "MoreRounds", "Number of rounds to add.", 5)
CLIENT = Argument("client_id", "Client", MAX_ID, "OneClient", "Id of the client.", 1)
MINIMUM = Argument("min_clients", "Clients", MAX_CLIENTS, "MinimumClients", "Minimum clients per round.", 1)
SECONDS = Argument(
    "seconds", "Seconds", MAX_WAIT_SECONDS, "Longer", "Seconds by which the client wait timeout is extended.", 600
)

VERBS = (
    Verb("pause", Steering.pause_run, undo="continue", sentence=lambda _: (
        "Pause requested: after the current round. Clients stay connected.")),
    Verb("continue", Steering.continue_run, lambda _: "The run continues."),
    Verb("resume", Steering.resume_run, _resumed),
    Verb("rounds", Steering.add_rounds, argument=ROUNDS, sentence=lambda done: (
        f"Added {plural(done.number, 'round')}: the run has {count(done.run.num_rounds)} now.")),
    Verb("exclude", Steering.exclude_client, argument=CLIENT, sentence=lambda done: (
        f"{done.client} was excluded from this run, from the next round on.")),
    Verb("include", Steering.include_client, argument=CLIENT, sentence=lambda done: (
        f"{done.client} was included in this run again, from the next round on.")),
    Verb("min_clients", Steering.ask_for_clients, argument=MINIMUM, sentence=lambda done: (
        f"The minimum was set to {plural(done.number, 'client')} per round.")),
    Verb("wait", Steering.wait_longer, argument=SECONDS, sentence=lambda done: (
        f"The client wait timeout was extended by {span(done.number)}.")),
    Verb("front", Steering.move_to_front, lambda done: f"#{done.run.id} was moved to the front of the queue."),
    Verb("stop", Steering.stop_run, _stopped, reached=frozenset({RunState.STOPPED, RunState.CANCELLED}), tag="runs"),
)  # fmt: skip
