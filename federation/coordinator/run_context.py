"""What the loop of one run and its parts share: the job, clients, people's requests, the ledger, and the wait state."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from federation.coordinator.control import Control
from federation.coordinator.ledger import Job
from federation.coordinator.retrying_ledger import RetryingLedger
from federation.coordinator.wait_state import WaitState
from federation.run.config import RunConfig
from federation.run.events import Outcome, ReplyRecorded
from federation.run.states import RunState
from federation.transport.exchange import Reply
from federation.transport.lane import StreamLane
from federation.transport.leases.client_leases import Lease

CHECK_SECONDS = 0.25
"""A run that waits looks for requests and replies that often."""


@dataclass
class RunContext:
    """One start of a run; for the run's thread.

    ``unmatched_reply_handler`` gets each reply that does not belong to the present phase: an answer to a prepare task,
    or a reply that is too late. ``noted`` are the clients and reasons of which a note says already that metrics were
    dropped.
    """

    job: Job
    lane: StreamLane
    control: Control
    ledger: RetryingLedger
    lease: Lease
    unmatched_reply_handler: Callable[[Reply], object] = Reply.release
    noted: set[tuple[int, str]] = field(default_factory=set)
    without_evaluation: set[tuple[int, str]] = field(default_factory=set)
    """Client id and session of each client process whose app has no evaluate function."""
    traffic_bytes: int = 0
    """The contents that the replies of the present attempt have received and sent."""

    def __post_init__(self) -> None:
        self.run_id = self.job.run_id
        self.wait_state = WaitState(self.run_id, self.ledger, self.control)
        self.on_end = contextlib.ExitStack()
        """What is due at the end of the run's loop, however it ends."""

    @property
    def config(self) -> RunConfig:
        """The configuration of the run."""
        return self.job.config

    def reload_participation(self) -> None:
        """Read what people have decided of clients since the last call; raises as the ledger does."""
        self.control.read_participation(self.ledger.read_participation)

    def handle_unmatched(self, reply: Reply) -> None:
        """Handle a reply that does not belong to the present phase, and release it."""
        self.unmatched_reply_handler(reply)
        reply.release()

    def handle_next_reply(self, timeout_seconds: float) -> bool:
        """Wait for a reply between two rounds and handle it; False if none came. Raises as ``Control.check`` does."""
        reply = self.control.next_reply(timeout_seconds)
        if reply is not None:
            self.handle_unmatched(reply)
        return reply is not None

    def pause_if_requested(self, committed: int) -> None:
        """Pause between two rounds until a person continues the run; clients stay connected."""
        if not self.control.pausing:
            return
        self.wait_state.set_running()
        after = f"after round {committed:,}" if committed >= 0 else "before round 0"
        self.wait_state.block(RunState.PAUSED, "paused", f"Paused by a user {after}", None, "continue")
        self.ledger.flush()
        while self.control.pausing:
            self.handle_next_reply(CHECK_SECONDS)
        self.wait_state.move(RunState.WAITING)

    def record_preparation(
        self, client_id: int, number: int, outcome: Outcome, reason: str | None, reply: Reply | None = None
    ) -> None:
        """Record what became of a client's prepare task, which was sent for round ``number``."""
        offer = reply.offer if reply is not None else None
        self.ledger.record(ReplyRecorded(
            self.run_id, number, 0, "prepare", client_id, outcome, reason,
            seconds=offer.seconds if offer is not None else None,
            received_at_seconds=reply.received_at_seconds if reply is not None else None,
            failure=offer.failure if offer is not None and outcome == "failed" else None,
        ))  # fmt: skip
