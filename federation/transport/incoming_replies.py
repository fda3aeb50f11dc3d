"""Replies on their way in: offers are checked, granted within the reply budget, and their contents received.

Everything here runs on the Flower server's event loop and never waits.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Literal

from federation.protocol import messages
from federation.run.events import Outcome
from federation.transport.admission import Limits
from federation.transport.assignment_states import AssignmentState
from federation.transport.exchange import Assignment, Exchange, Incoming
from federation.transport.peer import Peer
from federation.transport.reply_budget import ReplyBudget, SpareBuffers
from federation.weights.layout import Layout, LayoutMismatch

SPARE_BYTES = 64 * 1024 * 1024
"""So much memory of used contents is kept for the next ones."""

Step = Literal["asked", "training", "evaluating", "preparing", "sending", "sent"]
"""How far a client is with its task, as ``Progress`` names it."""


Finish = Callable[[Assignment, Outcome, str | None], None]
"""Settles an assignment and delivers its reply, with the reason where it is not accepted."""


class IncomingReplies:
    """The offers and contents of all assignments.

    ``connection_of`` returns a client's present connection, where it has one. ``finish`` is called once for each
    assignment whose reply is complete or refused; ``report`` when a client may send what does not follow its offer.
    """

    def __init__(self, limits: Limits, connection_of: Callable[[int], Peer | None], finish: Finish,
                 report: Callable[[Assignment, Step], None]) -> None:  # fmt: skip
        self._limits, self._connection_of, self._finish, self._report = limits, connection_of, finish, report
        self._granted: set[Assignment] = set()
        self._spares = SpareBuffers(SPARE_BYTES)
        self._stall_timer: asyncio.TimerHandle | None = None
        self.budget = ReplyBudget(limits.budget_bytes, self._grant)

    def handle_offer(self, connection: Peer, assignment: Assignment, offer: messages.Offer) -> None:
        """Settle an offer that has no content, and let the others send theirs, now or when there is room."""
        if offer.error is None and assignment.state is not AssignmentState.SENT:
            return  # the content of an earlier offer is awaited: the first offer stands
        assignment.offer, assignment.offered_at = offer, time.monotonic()
        if offer.error is not None:
            self._finish(
                assignment, "failed", offer.error[: messages.MAX_ERROR_CHARACTERS] or "the client gave no reason"
            )
        elif (refusal := _refusal_of(offer, assignment.exchange, self._limits.max_reply_bytes)) is not None:
            self._finish(assignment, "refused", refusal)
        elif offer.content is None or offer.content.size_bytes == 0:
            self._finish(assignment, "accepted", None)
        elif offer.follows and offer.content.size_bytes <= messages.UNGRANTED_BYTES:
            self._expect_content(connection, assignment, offer.content.size_bytes, granted_bytes=0)
        else:
            assignment.advance(AssignmentState.QUEUED)
            self.budget.request(assignment, offer.content.size_bytes)
            self._refuse_stalled()

    def _grant(self, assignment: Assignment, size_bytes: int) -> None:
        connection = self._connection_of(assignment.client_id)
        self._granted.add(assignment)
        self._expect_content(connection, assignment, size_bytes, granted_bytes=size_bytes)
        self._report(assignment, "sending")
        if connection is not None:
            connection.send(messages.Grant(message_id=assignment.message_id))

    def _expect_content(
        self, connection: Peer | None, assignment: Assignment, size_bytes: int, *, granted_bytes: int
    ) -> None:
        """Make memory for an offered content. A small one that follows its offer is not counted."""
        content_id = assignment.offer.content.id if assignment.offer and assignment.offer.content else ""
        incoming = Incoming(content_id, self._spares.allocate(size_bytes), granted_bytes, time.monotonic())
        assignment.advance(AssignmentState.RECEIVING, incoming=incoming)
        if connection is not None:
            connection.expected[content_id] = assignment

    def _refuse_stalled(self) -> None:
        """While an offer waits for room, refuse granted replies of which no byte comes; look again in a while."""
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        limit, now = self._limits.stall_seconds, time.monotonic()
        for assignment in list(self._granted) if self.budget.waiting else ():
            incoming, connection = assignment.incoming, self._connection_of(assignment.client_id)
            if incoming is None or connection is None:
                continue
            if now - max(incoming.granted_at, connection.last_piece_at) >= limit:
                reason = f"sent no bytes of its weights for {limit:g} s while other clients waited"
                self._finish(assignment, "refused", reason)
        if self.budget.waiting:
            self._stall_timer = asyncio.get_running_loop().call_later(limit / 4, self._refuse_stalled)

    def buffer_for(self, connection: Peer, content: str, offset: int, size: int) -> memoryview | None:
        """Return the memory that a piece of a content is to be written to; None for one that is not wanted."""
        assignment = connection.expected.get(content)
        if assignment is None or (incoming := assignment.incoming) is None:
            return None
        if offset != incoming.received_bytes or offset + size > len(incoming.buffer):
            self._finish(assignment, "refused", f"its weights came out of order at byte {offset}")
            return None
        return memoryview(incoming.buffer)[offset : offset + size]

    def piece_received(self, connection: Peer, content: str, offset: int, size: int) -> None:
        """The memory that ``buffer_for`` returned is filled."""
        assignment = connection.expected.get(content)
        if assignment is None or (incoming := assignment.incoming) is None or offset != incoming.received_bytes:
            return
        incoming.received_bytes = offset + size
        if incoming.received_bytes == len(incoming.buffer):
            self._granted.discard(assignment)
            self._finish(assignment, "accepted", None)

    def discard(self, assignment: Assignment) -> None:
        """Return what an assignment holds of the budget: its content will not be used."""
        if assignment.state is AssignmentState.QUEUED:
            self.budget.cancel_request(assignment)
        elif assignment in self._granted and assignment.incoming is not None:
            self._granted.remove(assignment)
            self.budget.give_back(assignment.incoming.granted_bytes)

    def give_back(self, size_bytes: int, spare: bytearray | None) -> None:
        """Grant the next offers: a content of that size has been used; ``spare`` is memory for the next one."""
        if spare is not None:
            self._spares.recycle(spare)
        self.budget.give_back(size_bytes)


def _refusal_of(offer: messages.Offer, exchange: Exchange, max_reply_bytes: int) -> str | None:
    """Return why an offered content is not wanted, before a byte of it is sent; else None."""
    layout = exchange.layout
    if offer.content is None:
        return "sends no weights" if exchange.phase == "train" else None
    if exchange.phase != "train" or layout is None:
        return f"sends weights with its {exchange.phase} reply"
    if offer.content.size_bytes > max_reply_bytes:
        return f"sends {offer.content.size_bytes:,} bytes, the maximum is {max_reply_bytes:,}"
    sent = exchange.content.header if exchange.content is not None and exchange.content.layout is layout else None
    if sent is not None and (offer.content.layout, offer.content.size_bytes) == (sent.layout, sent.size_bytes):
        return None
    try:
        difference = layout.difference(Layout.from_json(offer.content.layout).entries)
    except LayoutMismatch as error:
        return str(error)
    if difference is None and offer.content.size_bytes != layout.size_bytes:
        return f"sends {offer.content.size_bytes:,} bytes, the run needs {layout.size_bytes:,}"
    return difference
