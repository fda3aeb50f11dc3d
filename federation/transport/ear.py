"""What hears one connection for the traffic, where its bytes arrive."""

from dataclasses import dataclass

from federation.protocol import messages
from federation.transport.connection import Connection
from federation.transport.dispatcher import Traffic


@dataclass(frozen=True, slots=True)
class Ear:
    """Passes a connection's frames on to the traffic."""

    traffic: Traffic
    connection: Connection

    def text(self, text: str) -> None:
        """Take a text frame."""
        self.traffic.receive(self.connection, text)

    def room(self, head: bytes, size: int) -> memoryview | None:
        """Return where a piece belongs."""
        return self.traffic.room(self.connection, *messages.read_head(head), size)

    def filled(self, head: bytes, size: int) -> None:
        """The piece is there."""
        self.traffic.filled(self.connection, *messages.read_head(head), size)

    def fail(self, error: messages.BadFrame) -> None:
        """End the connection."""
        self.connection.fail(error)
