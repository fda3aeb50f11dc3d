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
        config, control = self._config, self._control
        while (members := wait_for_eligible(config, self._wait_state, control, self._eligibility)) is None:
            pause_if_requested(self._wait_state, self._ledger, self._control, -1, _release)
        agreement = agree({client_id: schema_of(member) for client_id, member in members.items()})
        if agreement.schema is None:
            raise NoAgreement(f"The clients' {self._config.dataset} cannot be trained on: {agreement.problem}")
        self._wait_state.unblock()
        self._ledger.record(SchemaAgreed(self._run_id, agreement.schema))
        return agreement.schema


def wait_for_eligible(
    config: RunConfig, wait_state: WaitState, control: Control, eligibility: Eligibility
) -> dict[int, Member] | None:
    """Return the eligible clients, at least the minimum; None: a pause is requested. Raises QuorumMissed."""
    control.begin_wait(config.quorum_timeout_seconds)
    reported: ClientWait | None = None
    try:
        while not control.pausing:
            eligibility.reload()
            present = eligibility.eligible()
            eligibility.note_wait(is_short=len(present) < control.min_clients)
            if len(present) >= control.min_clients:
                return present
            if (waited := control.expire_wait()) is not None:
                raise QuorumMissed(
                    f"{len(present):,} of {control.min_clients:,} clients were online after {waited:g} s"
                )
            reported = wait_state.report(wait_for_more(config, control, eligibility, len(present)), reported)
            _release(control.next_reply(CHECK_SECONDS))
        return None
    finally:
        eligibility.note_wait(is_short=False)
        control.end_wait()


def _release(reply: Reply | None) -> None:
    """Drop a reply to a task of an earlier run: this one has sent none yet."""
    if reply is not None:
        reply.release()
