"""What a supervisor is given to work on, and whom it tells."""

from dataclasses import dataclass
from typing import Protocol

from federation.run.config import RunConfig
from federation.run.events import Blocked, Checkpoint, Event
from federation.run.states import RunState


@dataclass(frozen=True, slots=True)
class Best:
    """The best committed round so far by the metric that checkpoints are kept for."""

    round: int
    value: float


@dataclass(frozen=True, slots=True)
class Job:
    """A run to work on. ``committed`` is the last committed round, -1 before round 0; ``resume`` has its weights."""

    run_id: int
    config: RunConfig
    num_rounds: int
    committed: int = -1
    resume: Checkpoint | None = None
    excluded: frozenset[int] = frozenset()
    best: Best | None = None


class Ledger(Protocol):
    """Whoever keeps the runs. Each call is one transaction at most; each that writes may raise StoreUnavailable."""

    def next_queued(self) -> Job | None:
        """Return the queued run that is to start next."""

    def rounds_wanted(self, run_id: int) -> int:
        """Return how many rounds people want of a run by now."""

    def clients_wanted(self, run_id: int) -> int:
        """Return how few clients people let a run do with by now."""

    def move(
        self,
        run_id: int,
        to: RunState,
        reason: str | None = None,
        by: str | None = None,
        blocked: Blocked | None = None,
    ) -> bool:
        """Move a run to a state, where its present state allows it; False changes nothing.

        ``blocked`` says what it waits for in that state, in the same transaction.
        """

    def record(self, event: Event) -> None:
        """Keep an event; replies may be held back until ``flush`` or the round's end.

        Raises RoundRefused for a round of a run that is active no more or has come further. A round that stands
        already, because the answer to its commit was lost on the way, is taken.
        """

    def flush(self) -> None:
        """Write what is held back."""
