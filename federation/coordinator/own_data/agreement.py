"""Waits for a run's clients and lets them agree on a schema, before anything is built; for the run's thread."""

from federation.coordinator.control import Control
from federation.coordinator.eligibility import Eligibility, schema_of
from federation.coordinator.quorum import (
    CHECK_SECONDS,
    ClientWait,
    QuorumMissed,
    WaitState,
    pause_if_requested,
    wait_for_more,
)
from federation.coordinator.retrying_ledger import RetryingLedger
from federation.run.config import RunConfig
from federation.run.events import SchemaAgreed
from federation.schema.agreement import agree
from federation.schema.columns import AgreedSchema
from federation.transport.exchange import Member, Reply


class NoAgreement(Exception):
    """Nothing can be learned from what the clients' data have in common; the sentence says why."""


class SchemaAgreement:
    """Makes the schema of one run on own data from those of the clients that are there when there are enough."""

    def __init__(
        self, run_id: int, config: RunConfig, wait_state: WaitState, ledger: RetryingLedger, control: Control,
        eligibility: Eligibility,
    ) -> None:  # fmt: skip
        self._run_id, self._config, self._wait_state = run_id, config, wait_state
        self._ledger, self._control, self._eligibility = ledger, control, eligibility

    def make(self) -> AgreedSchema:
        """Return the schema, which is recorded; raises NoAgreement, or QuorumMissed at the deadline."""
        while (members := self._wait_for_clients()) is None:
            pause_if_requested(self._wait_state, self._ledger, self._control, -1, _release)
        agreement = agree({client_id: schema_of(member) for client_id, member in members.items()})
        if agreement.schema is None:
            raise NoAgreement(f"The clients' {self._config.dataset} cannot be trained on: {agreement.problem}")
        self._wait_state.unblock()
        self._ledger.record(SchemaAgreed(self._run_id, agreement.schema))
        return agreement.schema

    def _wait_for_clients(self) -> dict[int, Member] | None:
        """Return the eligible clients, at least the minimum; None: a pause is requested."""
        self._control.begin_wait(self._config.quorum_timeout_seconds)
        reported: ClientWait | None = None
        try:
            while not self._control.pausing:
                self._eligibility.reload()
                present = self._eligibility.eligible()
                self._eligibility.note_wait(is_short=len(present) < self._control.min_clients)
                if len(present) >= self._control.min_clients:
                    return present
                if (waited := self._control.expire_wait()) is not None:
                    needed = self._control.min_clients
                    raise QuorumMissed(f"{len(present):,} of {needed:,} clients were online after {waited:g} s")
                wait = wait_for_more(self._config, self._control, self._eligibility, len(present))
                reported = self._wait_state.report(wait, reported)
                _release(self._control.next_reply(CHECK_SECONDS))
            return None
        finally:
            self._eligibility.note_wait(is_short=False)
            self._control.end_wait()


def _release(reply: Reply | None) -> None:
    """Drop a reply to a task of an earlier run: this one has sent none yet."""
    if reply is not None:
        reply.release()
