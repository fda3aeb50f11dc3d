"""The port to the store of runs: what a supervisor reads from it and writes to it."""

from dataclasses import dataclass, field
from typing import Protocol

from federation.run.config import RunConfig
from federation.run.events import Blocked, Checkpoint, Event
from federation.run.metric_goals import BestRound
from federation.run.rounds.stop_rules import RunPast, StopRule
from federation.run.states import RunState
from federation.schema.columns import AgreedSchema


@dataclass(frozen=True, slots=True)
class Job:
    """A run to work on.

    ``committed`` is the last committed round, -1 before round 0, and ``resume`` its weights. ``schema`` is what its
    clients agreed on earlier, where it trains on their own data.
    """

    run_id: int
    config: RunConfig
    num_rounds: int
    committed: int = -1
    resume: Checkpoint | None = None
    best: BestRound | None = None
    past: RunPast = field(default_factory=RunPast)
    schema: AgreedSchema | None = None


@dataclass(frozen=True, slots=True)
class Participation:
    """What people decide of a run's clients: the minimum for a round, and the ids of those that get no tasks."""

    min_clients: int
    excluded: frozenset[int] = frozenset()


class Ledger(Protocol):
    """A store of runs, called on any thread. Each call is at most one transaction.

    Each call that writes raises StoreUnavailable if the store cannot write now.
    """

    def next_queued(self) -> Job | None:
        """Return the queued run that starts next."""

    def read_state(self, run_id: int) -> RunState | None:
        """Return the state of a run; None if there is no such run."""

    def read_num_rounds(self, run_id: int) -> int:
        """Return the number of rounds that the run has by now: rounds may have been added."""

    def read_participation(self, run_id: int) -> Participation:
        """Return what people have decided of the run's clients by now."""

    def move(
        self,
        run_id: int,
        to: RunState,
        reason: str | None = None,
        by: str | None = None,
        blocked: Blocked | None = None,
        rule: StopRule | None = None,
    ) -> bool:
        """Move a run to a state if its present state allows it; False means that nothing was changed.

        ``blocked`` is what the run waits for in that state, written in the same transaction; ``rule`` is the
        stop rule that ends it.
        """

    def record(self, event: Event) -> None:
        """Keep an event. Replies may be held back until ``flush`` or the end of the round.

        Raises RoundRefused for a round of a run that is stopping, is not active any more, or has a later round. A
        round that is stored already is accepted, because the answer to its commit may have been lost.
        """

    def flush(self, run_id: int) -> None:
        """Write what a run holds back."""
