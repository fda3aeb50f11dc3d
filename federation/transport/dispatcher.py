"""The tasks of all exchanges on the stream lane: sent, answered, settled, each once.

Everything here runs on the Flower server's event loop and never waits.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from federation.protocol import messages
from federation.run.events import Outcome, Phase, Progress, Record
from federation.transport.admission import Limits
from federation.transport.assignment_states import AssignmentState
from federation.transport.exchange import Assignment, Exchange
from federation.transport.incoming_replies import IncomingReplies, Step
from federation.transport.peer import Peer

REMEMBERED_MESSAGES = 20_000
"""Number of answered message ids that are remembered: a repeated reply is acknowledged and not counted again."""

WORKING: dict[Phase, Step] = {"prepare": "preparing", "train": "training", "evaluate": "evaluating"}


@dataclass(frozen=True, slots=True)
class LaneSnapshot:
    """What the lane holds at one moment: tasks under way, and the reply budget in bytes."""

    assignments: int
    used_bytes: int
    budget_bytes: int


class Dispatcher:
    """All assignments under way. ``connection_of`` returns a client's present connection, where it has one."""

    def __init__(self, limits: Limits, report: Record, connection_of: Callable[[int], Peer | None]) -> None:
        self._reconnect_seconds, self._report, self._connection_of = limits.reconnect_seconds, report, connection_of
        self._assignments: dict[str, Assignment] = {}
        self._by_client: dict[int, list[Assignment]] = {}
        self._answered: OrderedDict[str, None] = OrderedDict()
        self.replies = IncomingReplies(limits, connection_of, self._finish, self._report_step)

    def snapshot(self) -> LaneSnapshot:
        """Return what is under way. From any thread; the counts are read one by one."""
        budget = self.replies.budget
        return LaneSnapshot(len(self._assignments), budget.used_bytes, budget.limit_bytes)

    # -- clients that come and go ---------------------------------------------------------------------------------

    def client_connected(self, connection: Peer, held: list[str]) -> None:
        """A client has a new connection; ``held`` are the tasks that it works on or keeps a reply for.

        A task that it does not hold is sent again, or lost where its process is another one than before. A task that
        it holds and no exchange waits for is cancelled.
        """
        for message_id in held:
            if message_id not in self._assignments and message_id not in self._answered:
                connection.send(messages.Cancel(message_id=message_id))
        for assignment in list(self._by_client.get(connection.client_id, ())):
            if assignment.message_id in held:
                self._await_offer(assignment)
            elif connection.session == assignment.session:  # it never got the task whole: the old connection broke
                self._await_offer(assignment)
                connection.send_task(assignment)
            else:
                self._finish(assignment, "lost", "connection lost")

    def client_disconnected(self, client_id: int) -> None:
        """A client's connection is over: its tasks wait for it to come back."""
        for assignment in self._by_client.get(client_id, ()):
            self.replies.discard(assignment)
            assignment.advance(AssignmentState.AWAY)
            assignment.exchange.watch_away()

    def refuse_client(self, client_id: int, reason: str) -> None:
        """A client is disconnected for good: its tasks are refused, so that no reply to them counts any more."""
        for assignment in list(self._by_client.get(client_id, ())):
            self._finish(assignment, "refused", reason)

    def _await_offer(self, assignment: Assignment) -> None:
        """Begin anew: what was offered over an earlier connection is offered again."""
        self.replies.discard(assignment)
        if assignment.state is not AssignmentState.SENT:
            assignment.advance(AssignmentState.SENT)
            assignment.exchange.watch_away()

    # -- tasks out ------------------------------------------------------------------------------------------------

    def dispatch(self, exchange: Exchange) -> None:
        """Send the exchange's tasks."""
        exchange.open(self._reconnect_seconds, self._expire)
        for assignment in list(exchange.waiting.values()):
            self._assignments[assignment.message_id] = assignment
            self._by_client.setdefault(assignment.client_id, []).append(assignment)
            connection = self._connection_of(assignment.client_id)
            if connection is None or not connection.admitted:
                self._settle(assignment, "lost", "not connected")
                continue
            self._report_step(assignment, "asked")
            assignment.session = connection.session
            assignment.advance(AssignmentState.SENT)
            connection.send_task(assignment)

    def cancel(self, exchange: Exchange) -> None:
        """Cancel what the exchange still waits for."""
        for assignment in list(exchange.waiting.values()):
            if (connection := self._connection_of(assignment.client_id)) is not None:
                connection.send(messages.Cancel(message_id=assignment.message_id))
            self._settle(assignment, "lost", "cancelled")
        exchange.watch_away()

    def _expire(self, exchange: Exchange) -> None:
        """All clients that the exchange waits for have been away for too long."""
        for assignment in list(exchange.waiting.values()):
            self._settle(assignment, "lost", "connection lost")

    # -- replies in -----------------------------------------------------------------------------------------------

    def handle_frame(self, connection: Peer, frame: str | bytes) -> None:
        """Act on one frame of a client; raises BadFrame."""
        if self._connection_of(connection.client_id) is not connection:
            return  # superseded: what was still on its way over it comes again over the newer one
        if isinstance(frame, bytes):
            content, offset, data = messages.read_piece(frame)
            if (buffer := self.replies.buffer_for(connection, content, offset, len(data))) is not None:
                buffer[:] = data
                self.replies.piece_received(connection, content, offset, len(data))
            return
        decoded = messages.decode_client(frame)
        if isinstance(decoded, messages.Hello):
            raise messages.BadFrame("a second hello")
        assignment = self._assignments.get(decoded.message_id)
        if assignment is not None and assignment.client_id != connection.client_id:
            raise messages.BadFrame("a frame for another client's task")
        if isinstance(decoded, messages.ProgressFrame):
            if assignment is not None:
                self._report_step(assignment, WORKING[assignment.exchange.phase], decoded)
        elif assignment is not None:
            self.replies.handle_offer(connection, assignment, decoded)
        else:
            late = None if decoded.message_id in self._answered else "it arrived after its round had ended"
            connection.send(messages.Ack(message_id=decoded.message_id, refused=late))

    def _finish(self, assignment: Assignment, outcome: Outcome, reason: str | None) -> None:
        """Settle one assignment, and let its exchange check whether only clients that are away are missing."""
        self._settle(assignment, outcome, reason)
        assignment.exchange.watch_away()

    def _settle(self, assignment: Assignment, outcome: Outcome, reason: str | None) -> None:
        """End an assignment: acknowledge it where the client answered, and deliver what became of it.

        Settling one settles no other, so any number that end at once are settled in a loop.
        """
        del self._assignments[assignment.message_id]
        of_client = self._by_client[assignment.client_id]
        of_client.remove(assignment)
        if not of_client:
            del self._by_client[assignment.client_id]
        connection = self._connection_of(assignment.client_id)
        if outcome != "lost":
            self._acknowledge(assignment, connection, reason if outcome == "refused" else None)
        if connection is not None:
            connection.stop_sending(assignment)
        if outcome != "accepted":
            self.replies.discard(assignment)
        assignment.exchange.complete(assignment, assignment.settle(outcome, reason))

    def _acknowledge(self, assignment: Assignment, connection: Peer | None, refusal: str | None) -> None:
        """Tell the client that it need not keep its reply, and remember that it was answered."""
        self._answered[assignment.message_id] = None
        if len(self._answered) > REMEMBERED_MESSAGES:
            self._answered.popitem(last=False)
        if connection is not None:
            ack = messages.Ack(message_id=assignment.message_id, refused=refusal)
            connection.send(ack, at_once=refusal is not None)
        self._report_step(assignment, "sent")

    def _report_step(self, assignment: Assignment, step: Step, frame: messages.ProgressFrame | None = None) -> None:
        """Report how far a client is with its task; ``frame`` is its own report."""
        exchange = assignment.exchange
        counts = (frame.batch, frame.batches, frame.loss) if frame is not None else (None, None, None)
        progress = Progress(assignment.client_id, exchange.run_id, exchange.round, exchange.phase, step, *counts)
        if (connection := self._connection_of(assignment.client_id)) is not None:
            connection.progress = progress
        self._report(progress)


@dataclass(frozen=True, slots=True)
class ConnectionListener:
    """Passes the frames of one connection to the dispatcher, where its bytes arrive."""

    dispatcher: Dispatcher
    connection: Peer

    def on_text(self, text: str) -> None:
        """Act on a text frame."""
        self.dispatcher.handle_frame(self.connection, text)

    def buffer_for(self, head: bytes, size: int) -> memoryview | None:
        """Return the memory for a piece."""
        return self.dispatcher.replies.buffer_for(self.connection, *messages.read_piece_head(head), size)

    def on_piece(self, head: bytes, size: int) -> None:
        """A piece is in its memory."""
        self.dispatcher.replies.piece_received(self.connection, *messages.read_piece_head(head), size)

    def on_bad_frame(self, error: messages.BadFrame) -> None:
        """End the connection."""
        self.connection.fail(error)
