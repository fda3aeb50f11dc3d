"""Waits for a run's clients and lets them agree on a schema, before anything is built; for the run's thread."""

from federation.coordinator.eligibility import Eligibility, schema_of
from federation.coordinator.quorum import Quorum
from federation.coordinator.run_context import RunContext
from federation.run.events import SchemaAgreed
from federation.schema.agreement import agree
from federation.schema.columns import AgreedSchema


class NoAgreement(Exception):
    """Nothing can be learned from what the clients' data have in common; the sentence says why."""


def agreed_schema(context: RunContext, eligibility: Eligibility) -> AgreedSchema:
    """Return the schema of a run on own data, made of those of the clients that are there when there are enough.

    It is recorded. Raises NoAgreement, or QuorumMissed at the deadline.
    """
    members = Quorum(context, eligibility).wait_before_round_0()
    agreement = agree({client_id: schema_of(member) for client_id, member in members.items()})
    if agreement.schema is None:
        raise NoAgreement(f"The clients' {context.config.dataset} cannot be trained on: {agreement.problem}")
    context.wait_state.unblock()
    context.ledger.record(SchemaAgreed(context.run_id, agreement.schema))
    return agreement.schema
