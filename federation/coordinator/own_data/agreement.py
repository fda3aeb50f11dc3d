"""Waits for a run's clients and lets them agree on a schema, before anything is built; for the run's thread."""

from federation.coordinator.eligibility import Eligibility, schema_of
from federation.coordinator.quorum import QuorumMissed, wait_for_more
from federation.coordinator.run_context import CHECK_SECONDS, RunContext
from federation.run.events import SchemaAgreed
from federation.schema.agreement import agree
from federation.schema.columns import AgreedSchema
from federation.transport.exchange import Member


class NoAgreement(Exception):
    """Nothing can be learned from what the clients' data have in common; the sentence says why."""


def agreed_schema(context: RunContext, eligibility: Eligibility) -> AgreedSchema:
    """Return the schema of a run on own data, made of those of the clients that are there when there are enough.

    It is recorded. Raises NoAgreement, or QuorumMissed at the deadline.
    """
    members = wait_for_eligible(context, eligibility)
    agreement = agree({client_id: schema_of(member) for client_id, member in members.items()})
    if agreement.schema is None:
        raise NoAgreement(f"The clients' {context.config.dataset} cannot be trained on: {agreement.problem}")
    context.wait_state.unblock()
    context.ledger.record(SchemaAgreed(context.run_id, agreement.schema))
    return agreement.schema


def wait_for_eligible(context: RunContext, eligibility: Eligibility) -> dict[int, Member]:
    """Return the eligible clients, at least the minimum. Raises QuorumMissed at the deadline."""
    while True:
        with context.control.waiting(context.config.quorum_timeout_seconds):
            members = _gather(context, eligibility)
        if members is not None:
            return members
        context.pause_if_requested(-1)


def _gather(context: RunContext, eligibility: Eligibility) -> dict[int, Member] | None:
    """Return the eligible clients; None: a pause is requested."""
    control = context.control
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
            context.wait_state.report(wait_for_more(context, eligibility, len(present)))
            context.handle_next_reply(CHECK_SECONDS)
        return None
    finally:
        eligibility.note_wait(is_short=False)
