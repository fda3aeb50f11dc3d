"""One virtual client of a host process: connects, and connects again whenever its connection is lost."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

from federation.client.content_assembly import Contents
from federation.client.description import ClientDescription
from federation.client.identity import Identity
from federation.client.outbox import Outbox
from federation.client.reconnect import ReconnectLoop
from federation.client.server_trust import ServerTrust
from federation.protocol import messages


class VirtualClient(ReconnectLoop):
    """A reconnect loop that logs nothing: its host tells of all its clients together.

    Parameters
    ----------
    joining : asyncio.Semaphore
        Held from the connect to the welcome: the server checks a signature and writes a row for each client.
    on_change : Callable[[], None]
        Called when the client has joined, and when its connection has ended.
    """

    def __init__(
        self, server: tuple[str, int], identity: Identity, description: ClientDescription, outbox: Outbox, *,
        contents: Contents, joining: asyncio.Semaphore, on_change: Callable[[], None], trust: ServerTrust | None = None,
    ) -> None:  # fmt: skip
        super().__init__(server, identity, description, outbox, trust=trust, contents=contents)
        self.is_joined = False
        self._joining, self._on_change = joining, on_change
        self._place = ExitStack()
        """The client's place among those that are joining."""
        self._told = ""

    async def connect_once(self) -> bool:
        """Connect and stay, once there is a place among those that are joining."""
        await self._joining.acquire()
        self._place.callback(self._joining.release)
        try:
            return await super().connect_once()
        finally:
            self._place.close()
            self._set_joined(False)

    def on_connect(self) -> None:
        """Called when there is a connection."""

    def on_welcome(self, _: messages.Welcome) -> None:
        """Called when the client has joined."""
        self._place.close()
        self._set_joined(True)

    def on_lost(self, _: float) -> None:
        """Called at the end of a connection."""
        if self.trouble != self._told:
            self._told = self.trouble
            self._on_change()

    def _set_joined(self, joined: bool) -> None:
        if joined != self.is_joined:
            self.is_joined = joined
            self._on_change()
