"""How a run waits for the clients that a round needs."""

import time

from federation.coordinator.eligibility import Eligibility
from federation.coordinator.preparation import Preparation
from federation.coordinator.run_context import CHECK_SECONDS, RunContext
from federation.run.events import WaitKind
from federation.run.networks import needs_dataset
from federation.transport.exchange import Member, TaskConfig

PREPARING_SECONDS = 5.0
"""Before round 0, a run with enough clients waits this long for others that are still preparing."""


class QuorumMissed(Exception):
    """The clients that a run needs did not connect in time; the sentence says how many did."""


class Quorum:
    """Waits until enough clients are ready for a round; for the run's thread.

    Without a ``preparation`` nothing is built yet, and each eligible client is ready.
    """

    def __init__(self, context: RunContext, eligibility: Eligibility, preparation: Preparation | None = None) -> None:
        self._context, self._control = context, context.control
        self._eligibility, self._preparation = eligibility, preparation

    def wait_before_round_0(self, config: TaskConfig | None = None) -> dict[int, Member]:
        """Return the clients that are ready at first, whatever pauses come between. Raises QuorumMissed."""
        while (ready := self.wait_for_clients(0, config or {})) is None:
            self._context.pause_if_requested(-1)
        return ready

    def wait_for_clients(self, number: int, config: TaskConfig) -> dict[int, Member] | None:
        """Return the clients that are ready for round ``number``, at least ``min_clients``.

        None: a pause is requested. Raises QuorumMissed at the deadline.
        """
        try:
            with self._control.waiting(self._context.config.quorum_timeout_seconds):
                return self._gather(number, config)
        finally:
            self._note_wait(is_short=False)

    def _gather(self, number: int, config: TaskConfig) -> dict[int, Member] | None:
        enough_since: float | None = None
        while not self._control.pausing:
            while self._context.handle_next_reply(0.0):
                pass
            self._eligibility.reload()
            ready, preparing = self._prepare(number, config)
            self._note_wait(is_short=len(ready) + preparing < self._control.min_clients)
            now = time.monotonic()
            if len(ready) >= self._control.min_clients:
                enough_since = enough_since or now
                if number > 0 or not preparing or now - enough_since > PREPARING_SECONDS:
                    return ready
            elif (waited := self._control.expire_wait()) is not None:
                needed = self._control.min_clients
                raise QuorumMissed(f"{len(ready):,} of {needed:,} clients were online after {waited:g} s")
            self._context.wait_state.report(*self._describe(len(ready) + preparing, preparing))
            self._context.handle_next_reply(CHECK_SECONDS)
        return None

    def _prepare(self, number: int, config: TaskConfig) -> tuple[dict[int, Member], int]:
        """Let new clients prepare; return those that have, and how many others are about to."""
        if self._preparation is None:
            return self._eligibility.eligible(), 0
        self._preparation.cancel_overdue()
        eligible = self._eligibility.eligible()
        self._preparation.send_to_new(eligible, number, config)
        return self._preparation.ready_of(eligible), self._preparation.count_pending(eligible)

    def _note_wait(self, *, is_short: bool) -> None:
        busy = self._preparation.busy if self._preparation is not None else ()
        self._eligibility.note_wait(is_short=is_short, busy=busy)

    def _describe(self, present: int, preparing: int) -> tuple[WaitKind, str, tuple[str, ...]]:
        """Return what the run waits for, as a sentence, and what people can do about it."""
        if present < self._control.min_clients:
            return self._describe_missing(present)
        sentence = f"{preparing:,} of {present:,} clients are still building the network over their data"
        return "prepare", sentence, ("wait",)

    def _describe_missing(self, present: int) -> tuple[WaitKind, str, tuple[str, ...]]:
        config, needed = self._context.config, self._control.min_clients
        outsiders = self._eligibility.count_ineligible()
        elsewhere = self._context.lease.count_elsewhere(self._eligibility.is_eligible)
        data = f" with {config.dataset}" if needs_dataset(config.network) else ""
        can = "are eligible and online" if outsiders or elsewhere else "are online"
        sentence = f"{present:,} of {needed:,} clients {can}; the run needs {needed - present:,} more{data}"
        if outsiders:
            sentence += f" ({outsiders} online but not eligible)"
        if elsewhere:
            sentence += f" ({elsewhere:,} in another run)"
        fewer = ("min_clients",) if present >= config.clients_needed else ()
        actions = (*fewer, "wait", *(("demo",) if config.demo_dataset else ()))
        return "quorum", sentence, actions
