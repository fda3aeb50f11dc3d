"""The one message that a SuperNode has at a time: posted, taken by a poll, answered or lost.

Everything here runs on the Flower server's event loop; calls of Flower's database go to worker threads.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from flwr.app import RecordDict

from federation.fleet.deployment import Deployment, NodeReply

HOLD_SECONDS = 20.0
"""A SuperNode's question for messages is answered this late where there is none: Flower's client waits 30 s."""

MOST_POSTS = 4
"""A task that so many processes of a SuperNode took and did not answer has failed."""


class Mail(Enum):
    """Where the message stands. Polls and ``Mailbox.ask`` move it."""

    NONE = auto()
    POSTING = auto()
    """It is on its way into Flower's database."""
    WAITING = auto()
    """The next poll gets it."""
    TAKEN = auto()
    """A poll got it; the SuperNode works on it."""
    LOST = auto()
    """The SuperNode polls again without an answer: the message, or its process, was lost on the way."""


class Mailbox:
    """Messages to one SuperNode, one after the other. ``changed`` is set when there may be something new."""

    def __init__(self) -> None:
        self._mail, self._pushed_bytes = Mail.NONE, 0
        self._refusal = ""
        self._mail_waits = asyncio.Event()
        self._is_online = False
        self._polls = 0
        self.changed = asyncio.Event()

    @property
    def is_empty(self) -> bool:
        """Whether no message is under way."""
        return self._mail is Mail.NONE

    @property
    def is_polled(self) -> bool:
        """Whether a process of the SuperNode waits for messages now."""
        return self._polls > 0

    # -- from the Fleet API ------------------------------------------------------------------------------------------

    async def wait_for_mail(self) -> None:
        """Return when a message waits for the SuperNode, which polls for one, or after ``HOLD_SECONDS``."""
        if self._mail is Mail.TAKEN:
            self._mail = Mail.LOST
            self.changed.set()
        self._polls += 1
        try:
            await asyncio.wait_for(self._mail_waits.wait(), HOLD_SECONDS)
        except TimeoutError:
            return
        finally:
            self._polls -= 1

    def take_mail(self) -> None:
        """The answer to the poll goes out: a message that waits is with the SuperNode now."""
        self._pushed_bytes = 0  # a SuperNode polls once it has sent its reply, also that to an app of its own loop
        if self._mail in (Mail.POSTING, Mail.WAITING):
            self._mail, self._refusal = Mail.TAKEN, ""
            self._mail_waits.clear()

    def count_pushed(self, size_bytes: int) -> int:
        """Add a part of the reply that is to be stored; return how many bytes that makes since the last message."""
        self._pushed_bytes += size_bytes
        return self._pushed_bytes

    def refuse_reply(self, reason: str) -> None:
        """The rest of the reply is not stored: the message counts as answered by the reason."""
        self._refusal = reason
        self.changed.set()

    def release(self) -> None:
        """Answer a poll that is held: there will be no more messages."""
        self._mail_waits.set()

    def set_online(self, is_online: bool) -> None:
        """The SuperNode polls, or polls no more: then a message that is not wanted need not wait for it."""
        self._is_online = is_online
        self.changed.set()

    # -- for the connection ------------------------------------------------------------------------------------------

    async def ask(self, deployment: Deployment, node_id: int, content: Callable[[], RecordDict], kind: str, group: str,
                  wanted: Callable[[], bool]) -> NodeReply | None:  # fmt: skip
        """Send a message and return its reply; None where it is not ``wanted`` any more and the SuperNode is free.

        ``content`` is called in a worker thread. Raises NotPosted, and as Flower's database does.
        """
        for _ in range(MOST_POSTS):
            if not wanted():
                return None
            self._mail, self._refusal = Mail.POSTING, ""
            message_id = await asyncio.to_thread(lambda: deployment.post(node_id, content(), kind, group))
            if self._mail is Mail.POSTING:
                self._mail = Mail.WAITING
                self._mail_waits.set()
            try:
                if (reply := await self._wait_for_reply(deployment, message_id, wanted)) is not None:
                    return reply
            finally:
                self._mail = Mail.NONE
                self._mail_waits.clear()
                await asyncio.shield(asyncio.to_thread(deployment.delete, message_id))
        return NodeReply(None, f"took the message {MOST_POSTS} times and gave no answer; its log says why")

    async def _wait_for_reply(
        self, deployment: Deployment, message_id: str, wanted: Callable[[], bool]
    ) -> NodeReply | None:
        """Return the reply; None where the message is lost, or not ``wanted`` and nobody works on it."""
        while True:
            if self._refusal:
                return NodeReply(None, self._refusal)
            mail = self._mail
            reply = await asyncio.to_thread(deployment.reply_to, message_id)
            if reply is not None or mail is Mail.LOST:  # lost only where no reply was there after the poll
                return reply
            if not wanted() and (self._mail is Mail.WAITING or not self._is_online):
                return None
            await self.changed.wait()
            self.changed.clear()
