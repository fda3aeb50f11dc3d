"""Which connected clients may take part in a run: not excluded, not suspended, and meeting the run's requirements."""

from collections import Counter
from collections.abc import Collection, Mapping

from federation.coordinator.run_context import RunContext
from federation.run.config import RunConfig
from federation.run.eligibility import why_ineligible
from federation.run.events import ClientSuspended, Outcome
from federation.schema.columns import ClientSchema
from federation.transport.exchange import Member

MAX_REFUSALS = 3
"""After this many refused train replies in a row a client is suspended for the run."""


class Eligibility:
    """The eligible clients of one run; for the run's thread.

    A person excludes a client, the run suspends it after refused replies, and a client that does not fit the network
    is ineligible until its process is started anew. A person that includes the client lifts all three.
    """

    def __init__(self, context: RunContext) -> None:
        self._context = context
        clients = context.config.clients
        self._selected = frozenset(clients) if clients is not None else None
        self._held: set[int] = set()
        self._useless: set[int] = set()
        self._refusals: Counter[int] = Counter()
        self._suspended: set[int] = set()
        self._unfit: set[tuple[int, str]] = set()

    def is_eligible(self, member: Member) -> bool:
        """Say whether a connected client may take part."""
        client_id = member.client_id
        if client_id in self._context.control.excluded or client_id in self._suspended:
            return False
        if (client_id, member.session) in self._unfit:
            return False
        return meets_requirements(member, self._context.config, self._selected)

    def eligible(self) -> dict[int, Member]:
        """Return the connected clients that may take part, by id, whether they have prepared or not.

        Free ones become the run's; a client that another run has is not among them.
        """
        held = self._context.lease.members(self.is_eligible, self._context.control.min_clients)
        found = {member.client_id: member for member in held if self.is_eligible(member)}
        self._held = {member.client_id for member in held}
        self._useless = self._held - found.keys()
        return found

    def note_wait(self, *, is_short: bool, busy: Collection[int] = ()) -> None:
        """Tell other runs whether this one waits for clients, and give back those that it cannot use.

        To be called between rounds, after ``eligible``; ``busy`` are the clients that have a task all the same.
        """
        lease, busy = self._context.lease, frozenset(busy)
        lease.give_back(self._useless - busy)
        lease.note_wait(is_short=is_short, idle=self._held - busy)

    def count_ineligible(self) -> int:
        """Return how many connected clients may not take part."""
        return sum(not self.is_eligible(member) for member in self._context.lane.members())

    def note_unfit(self, client_id: int, session: str) -> None:
        """Remember that this process of a client could not prepare, or prepared another model."""
        self._unfit.add((client_id, session))

    def note_train_outcomes(self, outcomes: Mapping[int, Outcome]) -> None:
        """Count refused train replies; ``MAX_REFUSALS`` in a row suspend the client until a person includes it."""
        for client_id, outcome in outcomes.items():
            self._refusals[client_id] = self._refusals[client_id] + 1 if outcome == "refused" else 0
            if self._refusals[client_id] >= MAX_REFUSALS and client_id not in self._suspended:
                self._suspended.add(client_id)
                reason = f"{MAX_REFUSALS:,} of its replies in a row were rejected"
                self._context.ledger.record(ClientSuspended(self._context.run_id, client_id, reason))

    def reload(self) -> None:
        """Read what people have decided since the last call: the minimum, excluded clients, and those included again.

        A client that was unfit and is included gets another prepare task. Raises as the ledger does.
        """
        control = self._context.control
        self._context.reload_participation()
        while not control.included.empty():
            client_id = control.included.get_nowait()
            self._context.reload_participation()
            if client_id in control.excluded:
                continue
            self._suspended.discard(client_id)
            self._refusals[client_id] = 0
            self._unfit = {key for key in self._unfit if key[0] != client_id}


def meets_requirements(member: Member, config: RunConfig, selected: Collection[int] | None) -> bool:
    """Say whether a connected client is what a run asks for; ``selected`` are the clients of its configuration."""
    unmet = why_ineligible(
        member.client_id, member.data, network=config.network, dataset=config.dataset, selected=selected,
        node_app=config.node_app,
    )  # fmt: skip
    return unmet is None


def schema_of(member: Member) -> ClientSchema:
    """Return the schema in a client's hello, which the protocol has checked."""
    return ClientSchema.model_validate(member.data["schema"])
