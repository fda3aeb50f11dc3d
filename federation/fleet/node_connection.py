"""A SuperNode as a client of the lane: frames go to it, and come from it, as Flower messages, one at a time.

Everything here runs on the Flower server's event loop; calls of Flower's database go to worker threads.
"""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Callable
from typing import ClassVar, Literal

from flwr.app import RecordDict
from pydantic import ValidationError

from federation.fleet.deployment import Deployment, NodeReply, NotPosted
from federation.fleet.mailbox import Mailbox
from federation.fleet.node_apps import Deployments
from federation.fleet.task_messages import app_hash_of, failed_offer, offer_of, task_content
from federation.fleet.weight_records import WeightRecords
from federation.protocol import messages
from federation.protocol.descriptions import Description
from federation.run.events import Phase
from federation.transport.assignment_states import AssignmentState
from federation.transport.dispatcher import ConnectionListener
from federation.transport.exchange import Assignment
from federation.transport.peer import Peer
from federation.weights.flower_content import BadContent, arrays_of, content_of, text_of
from federation.weights.layout import Layout, LayoutMismatch
from federation.weights.legacy_content import FunctionMissing

log = logging.getLogger(__name__)

DESCRIBE_SECONDS = 30.0
"""A SuperNode that could not be asked what it holds is asked again after so long."""

DESCRIBE = "describe"
"""What ``client.tasks.supernode`` answers with a description."""

KINDS: dict[Phase, str] = {"prepare": "query", "train": "train", "evaluate": "evaluate"}
"""Flower's type of message for each phase."""


class NodeConnection(Peer):
    """One SuperNode, from its first heartbeat to the server's stop, whether it is online or not.

    ``listener`` takes its frames; ``described`` is called with what it says of itself; ``ended`` when the server has
    ended the connection for good.
    """

    lane: ClassVar[Literal["stream", "fleet"]] = "fleet"

    def __init__(self, deployments: Deployments, weights: WeightRecords, described: Callable[["NodeConnection"], None],
                 ended: Callable[["NodeConnection"], None]) -> None:  # fmt: skip
        super().__init__(secrets.token_hex(8))
        self.description = Description()
        self.mailbox = Mailbox()
        self._deployments, self._weights = deployments, weights
        self._described, self._ended = described, ended
        self._listener: ConnectionListener | None = None
        self._queue: asyncio.Queue[Assignment | None] = asyncio.Queue()
        self._open: dict[str, Assignment] = {}
        self._online = asyncio.Event()
        self._is_described = False

    # -- what the lane knows of it ------------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether the SuperNode is admitted and has said what it holds. From any thread."""
        return self.admitted and self._is_described

    @property
    def last_heard_at(self) -> float:
        """Now: Flower's heartbeats tell whether a SuperNode is there, and one that works sends nothing else."""
        return time.monotonic()

    @property
    def last_piece_at(self) -> float:
        """Now: the whole reply has arrived before it is offered."""
        return time.monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether the SuperNode has no task and no message."""
        return not self._open and self.mailbox.is_empty

    @property
    def held(self) -> list[str]:
        """The ids of the tasks that the SuperNode has, or that wait for it."""
        return list(self._open)

    def send(self, frame: messages.Frame, *, at_once: bool = True) -> None:
        """Note a frame: a grant goes to the reply that waits for it, and one that is admitted says what it holds.

        A SuperNode has no use for the others.
        """
        if isinstance(frame, messages.Welcome) and frame.state == "admitted":
            self._queue.put_nowait(None)
        self.mailbox.changed.set()

    def send_task(self, assignment: Assignment) -> None:
        """Put a task into the queue: a SuperNode works on one message after the other."""
        if assignment.message_id not in self._open:
            self._open[assignment.message_id] = assignment
            self._queue.put_nowait(assignment)

    def stop_sending(self, assignment: Assignment) -> None:
        """Expect nothing more of a task that is over."""
        super().stop_sending(assignment)
        self._open.pop(assignment.message_id, None)
        self.mailbox.changed.set()

    def end(self, code: messages.Close, reason: str) -> None:
        """Give the SuperNode no more work. Its process is not ours to end: it polls on and gets nothing."""
        self.close_reason = self.close_reason or reason
        self.mailbox.release()
        self._ended(self)

    def fail(self, error: messages.BadFrame) -> None:
        """Give the SuperNode no more work."""
        self.end(error.code, str(error))

    def close(self) -> None:
        """The SuperNode is offline: its tasks wait until it is back, as long as they are wanted."""
        self._online.clear()
        self.mailbox.set_online(False)

    # -- the worker ---------------------------------------------------------------------------------------------------

    def appear(self, listener: ConnectionListener) -> None:
        """The SuperNode is online, perhaps as another process than before. ``lane.add`` is due after it."""
        self._listener, self.session = listener, secrets.token_hex(8)
        self.close_reason, self.problem, self._is_described = "", "", False
        self._online.set()
        self.mailbox.set_online(True)

    async def work(self) -> None:
        """Send one message after the other and take the replies, until cancelled."""
        while True:
            assignment = await self._queue.get()
            try:
                await (self._describe() if assignment is None else self._perform(assignment))
            except NotPosted as error:
                log.warning("SuperNode %s: %s", self.name, error)
                self._note_failure(assignment, str(error))
            except Exception as error:  # of Flower's database, or of a reply that breaks Flower's form
                log.exception("a message to SuperNode %s failed", self.name)
                self._note_failure(assignment, f"the message to the SuperNode failed: {error}")

    def _note_failure(self, assignment: Assignment | None, reason: str) -> None:
        """End the task by its reason; without one the SuperNode could not be asked what it holds, and is asked anew."""
        if assignment is not None:
            self._fail(assignment, reason)
            return
        self.problem, session = reason, self.session
        asyncio.get_running_loop().call_later(DESCRIBE_SECONDS, self._describe_again, session)

    def _describe_again(self, session: str) -> None:
        if self.session == session and self._online.is_set():
            self._queue.put_nowait(None)

    async def _describe(self) -> None:
        """Ask what the SuperNode holds. It gets tasks once it has answered; what is wrong with the answer is kept."""
        session = self.session
        reply = await self.mailbox.ask(
            self._deployments.own, self.node_id, lambda: content_of(DESCRIBE), "query", "0",
            lambda: self.session == session and self._online.is_set(),
        )  # fmt: skip
        if reply is None or self.session != session:
            return
        if reply.content is None:
            raise NotPosted(reply.error)
        try:
            self.description = Description.model_validate(json.loads(text_of(reply.content)))
        except (ValueError, ValidationError, BadContent, RecursionError) as error:
            self.description = Description(error=str(error)[: messages.MAX_ERROR_CHARACTERS])
        self.data, self.problem = self.description.data, self.description.error or ""
        self._is_described = not self.problem
        self._described(self)

    async def _perform(self, assignment: Assignment) -> None:
        exchange = assignment.exchange
        if app_hash_of(assignment) and exchange.phase == "prepare":  # Flower's apps know no such message
            self._pass_text(messages.Offer(message_id=assignment.message_id, data={}))
            return
        deployment = await self._deployment_for(assignment)
        assignment.bytes_down = exchange.content.size_bytes if exchange.content is not None else 0
        reply = await self.mailbox.ask(
            deployment, self.node_id,
            lambda: task_content(assignment, self._weights, is_legacy=deployment.is_legacy),
            KINDS[exchange.phase], str(exchange.round), lambda: assignment.state is not AssignmentState.SETTLED,
        )  # fmt: skip
        if reply is None:
            return
        while assignment.state is AssignmentState.AWAY:  # a reply counts once its client is back
            await self._online.wait()
            await asyncio.sleep(0)
        if assignment.state is not AssignmentState.SETTLED:
            await self._offer(assignment, reply, is_legacy=deployment.is_legacy)

    async def _deployment_for(self, assignment: Assignment) -> Deployment:
        if not (app_hash := app_hash_of(assignment)):
            return self._deployments.own
        options = assignment.config.get("app_config")
        return await asyncio.to_thread(
            self._deployments.of_run, assignment.exchange.run_id, app_hash, options if isinstance(options, dict) else {}
        )

    async def _offer(self, assignment: Assignment, reply: NodeReply, *, is_legacy: bool) -> None:
        """Pass the reply on as the frames that a stream client would send."""
        if reply.content is None:
            self._fail(assignment, reply.error or "the SuperNode gave no reason")
            return
        try:
            offer, arrays = offer_of(assignment, reply.content, is_legacy=is_legacy)
            self._pass_text(offer)
            while assignment.state is AssignmentState.QUEUED:  # until there is room in the reply budget
                await self.mailbox.changed.wait()
                self.mailbox.changed.clear()
            if assignment.state is AssignmentState.RECEIVING and offer.content is not None:
                self._pass_content(offer.content, arrays)
        except FunctionMissing as missing:
            self._fail(assignment, str(missing))
        except (messages.BadFrame, BadContent, LayoutMismatch, ValueError, TypeError) as error:
            self._fail(assignment, f"sent a reply that cannot be read: {error}")

    def _fail(self, assignment: Assignment, reason: str) -> None:
        if assignment.state not in (AssignmentState.SETTLED, AssignmentState.AWAY):
            self._pass_text(failed_offer(assignment, reason))

    def _pass_text(self, offer: messages.Offer) -> None:
        if self._listener is not None:
            self._listener.on_text(messages.encode(offer))

    def _pass_content(self, header: messages.ContentHeader, content: RecordDict) -> None:
        layout = Layout.from_json(header.layout)
        buffer = layout.pack(arrays_of(content, [entry.name for entry in layout.entries]))
        head = bytes.fromhex(header.id) + (0).to_bytes(8, "big")
        if self._listener is not None and (into := self._listener.buffer_for(head, len(buffer))) is not None:
            into[:] = buffer
            self._listener.on_piece(head, len(buffer))
