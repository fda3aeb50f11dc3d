"""What hears one connection for the traffic, where its bytes arrive."""

from dataclasses import dataclass

from federation import wire
from federation.connection import Connection
from federation.traffic import Traffic


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
        return self.traffic.room(self.connection, *wire.read_head(head), size)

    def filled(self, head: bytes, size: int) -> None:
        """The piece is there."""
        self.traffic.filled(self.connection, *wire.read_head(head), size)

    def fail(self, error: wire.BadFrame) -> None:
        """End the connection."""
        self.connection.fail(error)
