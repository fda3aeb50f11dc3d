"""Tasks under way on the stream lane: sent, offered, granted, received, and over, each once. Lives on the loop."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from federation.protocol import messages
from federation.run.events import Progress, Record
from federation.transport.admission import Limits
from federation.transport.connection import Connection
from federation.transport.exchange import Assignment, Budget, Exchange, Reply, Spares
from federation.weights.layout import Layout, LayoutMismatch

REMEMBERED_MESSAGES = 20_000
"""So many answered message ids are remembered: a reply that comes again is acknowledged and not counted again."""

SPARE_BYTES = 64 * 1024 * 1024
"""So much memory of used contents is kept for the next ones."""

WORDS = {"prepare": "preparing", "train": "training", "evaluate": "evaluating"}


class Traffic:
    """All assignments of all exchanges. ``connection_of`` finds a client's connection, where it has one."""

    def __init__(self, limits: Limits, report: Record, connection_of: Callable[[int], Connection | None]) -> None:
        self._limits, self._report, self._connection_of = limits, report, connection_of
        self._assignments: dict[str, Assignment] = {}
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._budget = Budget(limits.budget_bytes, self._grant)
        self._spares = Spares(SPARE_BYTES)
        self._looking: asyncio.TimerHandle | None = None

    def give_back(self, size_bytes: int, spare: bytearray | None) -> None:
        """Let the next offers in: a reply of that size has been used; ``spare`` may take the next one."""
        if spare is not None:
            self._spares.keep(spare)
        self._budget.give_back(size_bytes)

    def came_back(self, client_id: int, held: set[str]) -> None:
        """A client is connected anew: what it was given and does not hold is sent again, or lost with its process.

        What it holds and nobody waits for is cancelled.
        """
        connection = self._connection_of(client_id)
        for message_id in held - self._assignments.keys():
            if connection is not None and message_id not in self._finished:
                connection.say(messages.Cancel(message_id=message_id))
        for assignment in self._of(client_id):
            if assignment.message_id in held:
                self._drop_content(assignment)
                assignment.away_since = None
                assignment.exchange.settle_soon()
            elif connection is not None and connection.session == assignment.session:
                assignment.away_since = None  # the same process never got it whole: the line was cut on the way
                connection.give(assignment)
                assignment.exchange.settle_soon()
            else:
                self._finish(assignment, lost="connection lost")

    def went_away(self, client_id: int) -> None:
        """A client's connection is over: its tasks wait for it to come back."""
        now = time.monotonic()
        for assignment in self._of(client_id):
            self._drop_content(assignment)
            assignment.away_since = now
            assignment.exchange.settle_soon()

    def break_off(self, client_id: int, sentence: str) -> None:
        """A client broke the protocol and is sent away: what it was to answer is refused, with the reason."""
        for assignment in self._of(client_id):
            self._finish(assignment, refused=f"broke the protocol: {sentence}")

    def _of(self, client_id: int) -> list[Assignment]:
        return [a for a in self._assignments.values() if a.client_id == client_id]

    # -- tasks out ------------------------------------------------------------------------------------------------

    def dispatch(self, exchange: Exchange) -> None:
        """Send the exchange's tasks."""
        exchange.open(asyncio.get_running_loop(), self._limits.reconnect_seconds, self._finish)
        for assignment in list(exchange.waiting.values()):
            self._assignments[assignment.message_id] = assignment
            connection = self._connection_of(assignment.client_id)
            if connection is None or not connection.admitted:
                self._finish(assignment, lost="not connected")
                continue
            self._tell(assignment, "asked")
            assignment.session = connection.session
            connection.give(assignment)

    def withdraw(self, exchange: Exchange) -> None:
        """Cancel what the exchange still waits for."""
        for assignment in list(exchange.waiting.values()):
            if (connection := self._connection_of(assignment.client_id)) is not None:
                connection.say(messages.Cancel(message_id=assignment.message_id))
            self._finish(assignment, lost="cancelled")

    # -- replies in -----------------------------------------------------------------------------------------------

    def receive(self, connection: Connection, frame: str | bytes) -> None:
        """Take one frame; raises BadFrame. Never waits."""
        if self._connection_of(connection.client_id) is not connection:
            return  # superseded: what was still on its way over it comes again over the newer one
        if isinstance(frame, bytes):
            content, offset, data = messages.read_piece(frame)
            if (room := self.room(connection, content, offset, len(data))) is not None:
                room[:] = data
                self.filled(connection, content, offset, len(data))
            return
        decoded = messages.decode_client(frame)
        if isinstance(decoded, messages.Hello):
            raise messages.BadFrame("a second hello")
        assignment = self._assignments.get(decoded.message_id)
        if assignment is not None and assignment.client_id != connection.client_id:
            raise messages.BadFrame("a frame for another client's task")
        if isinstance(decoded, messages.ProgressFrame):
            if assignment is not None:
                self._tell(assignment, None, decoded)
        elif assignment is not None:
            self._offer(connection, assignment, decoded)
        else:
            late = None if decoded.message_id in self._finished else "it came after its round was over"
            connection.say(messages.Ack(message_id=decoded.message_id, refused=late))

    def _offer(self, connection: Connection, assignment: Assignment, offer: messages.Offer) -> None:
        if offer.error is None and (assignment.buffer is not None or assignment.queued):
            return  # its content is awaited: the first word about it stands
        assignment.offer = offer
        assignment.offered_at = time.monotonic()
        if offer.error is not None:
            self._finish(assignment, error=offer.error[: messages.MAX_ERROR_CHARACTERS] or "it gave no reason")
        elif (refusal := self._refusal(assignment, offer)) is not None:
            self._finish(assignment, refused=refusal)
        elif offer.content is None or offer.content.size_bytes == 0:
            self._finish(assignment)
        elif offer.follows and offer.content.size_bytes <= messages.UNASKED_BYTES:
            self._expect(connection, assignment, offer.content.size_bytes)  # so few bytes are not counted
        else:
            assignment.queued = True
            self._budget.ask(assignment, offer.content.size_bytes)
            self._look_for_stalled()

    def _refusal(self, assignment: Assignment, offer: messages.Offer) -> str | None:
        """Say why the offered content is not wanted, before a byte of it is sent."""
        layout = assignment.exchange.layout
        if offer.content is None:
            return "sends no weights" if assignment.exchange.phase == "train" else None
        if assignment.exchange.phase != "train" or layout is None:
            return f"sends weights with its {assignment.exchange.phase} reply"
        if offer.content.size_bytes > self._limits.max_reply_bytes:
            return f"sends {offer.content.size_bytes} bytes, at most {self._limits.max_reply_bytes} are taken"
        try:
            difference = layout.difference(Layout.from_json(offer.content.layout).entries)
        except LayoutMismatch as error:
            return str(error)
        if difference is None and offer.content.size_bytes != layout.size_bytes:
            return f"sends {offer.content.size_bytes} bytes, the run needs {layout.size_bytes}"
        return difference

    def _grant(self, assignment: Assignment, size_bytes: int) -> None:
        connection = self._connection_of(assignment.client_id)
        assignment.queued = False
        assignment.granted_bytes, assignment.granted_at = size_bytes, time.monotonic()
        self._expect(connection, assignment, size_bytes)
        if connection is not None:
            connection.say(messages.Grant(message_id=assignment.message_id))

    def _look_for_stalled(self) -> None:
        """As long as somebody waits for room, refuse granted replies of which nothing comes; look again in a while."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        limit, now = self._limits.stall_seconds, time.monotonic()
        for assignment in [a for a in self._assignments.values() if a.granted_bytes] if self._budget.waits else ():
            connection = self._connection_of(assignment.client_id)
            if connection is not None and now - max(assignment.granted_at, connection.sign.piece_at) >= limit:
                self._finish(assignment, refused=f"nothing of its weights came for {limit:g} s while others waited")
        if self._budget.waits:
            self._looking = asyncio.get_running_loop().call_later(limit / 4, self._look_for_stalled)

    def _expect(self, connection: Connection | None, assignment: Assignment, size_bytes: int) -> None:
        """Make room for a content."""
        assignment.buffer = self._spares.take(size_bytes)
        self._tell(assignment, "sending")
        if connection is not None:
            connection.granted[assignment.content_id] = assignment

    def room(self, connection: Connection, content: str, offset: int, size: int) -> memoryview | None:
        """Return where a piece of a content belongs; None for one that is not wanted, or not any more."""
        assignment = connection.granted.get(content)
        if assignment is None or assignment.buffer is None:
            return None
        if offset != assignment.received_bytes or offset + size > len(assignment.buffer):
            self._finish(assignment, refused=f"its weights came out of order at byte {offset}")
            return None
        return memoryview(assignment.buffer)[offset : offset + size]

    def filled(self, connection: Connection, content: str, offset: int, size: int) -> None:
        """The room that was given is filled."""
        assignment = connection.granted.get(content)
        if assignment is not None and assignment.buffer is not None and offset == assignment.received_bytes:
            assignment.received_bytes = offset + size
            if assignment.received_bytes == len(assignment.buffer):
                self._finish(assignment)

    def _finish(self, assignment: Assignment, *, error: str | None = None, refused: str | None = None,
                lost: str | None = None) -> None:  # fmt: skip
        """The end of an assignment, once: acknowledge, deliver, forget."""
        if self._assignments.pop(assignment.message_id, None) is None:
            return
        connection = self._connection_of(assignment.client_id)
        if lost is None:
            self._finished[assignment.message_id] = None
            if len(self._finished) > REMEMBERED_MESSAGES:
                self._finished.popitem(last=False)
            if connection is not None:
                connection.say(
                    messages.Ack(message_id=assignment.message_id, refused=refused), soon=refused is not None
                )
            self._tell(assignment, "sent")
        if connection is not None:
            connection.drop(assignment)
        content = assignment.take() if (error, refused, lost) == (None, None, None) else None
        if content is None:
            self._drop_content(assignment)
        reply = Reply(assignment, content=content, error=error, refused=refused, lost=lost, arrived=time.monotonic())
        assignment.exchange.settle(assignment, reply)

    def _drop_content(self, assignment: Assignment) -> None:
        """Take back what was granted or asked for; an offer that comes again starts over."""
        self._budget.forget(assignment)
        assignment.queued = False
        if assignment.buffer is not None:
            assignment.buffer, assignment.received_bytes = None, 0
            given, assignment.granted_bytes = assignment.granted_bytes, 0
            self._budget.give_back(given)

    def _tell(self, assignment: Assignment, task: Any, frame: messages.ProgressFrame | None = None) -> None:
        exchange = assignment.exchange
        task = WORDS[exchange.phase] if frame is not None else task
        progress = Progress(assignment.client_id, exchange.run_id, exchange.round, exchange.phase, task,
                            *((frame.batch, frame.batches, frame.loss) if frame else (None, None, None)))  # fmt: skip
        if (connection := self._connection_of(assignment.client_id)) is not None:
            connection.task = progress
        self._report(progress)
