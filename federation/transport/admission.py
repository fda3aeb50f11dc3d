"""What the lanes ask of whoever runs them: who may join, who a key is, and how much is allowed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from federation.protocol.messages import Hello


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a client that asks to join."""

    client_id: int
    name: str
    state: Literal["admitted", "pending", "revoked"]


Admit = Callable[[str, Hello], Admission]
"""Public key (PEM text) and hello to an answer; called in a worker thread."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An attempt to connect, or a connection, that the server ended: by which close code, why, and who it was."""

    code: int
    reason: str
    name: str
    """What it calls itself; empty before its hello."""
    address: str


class Registry(Protocol):
    """Keys and Flower's node ids."""

    def signed(self, public_key: str, message: bytes, signature: str) -> str | None:
        """Return the key (PEM), in its one spelling, if the signature (base64) of the message is its; else None."""

    def node_id(self, public_key: str) -> int:
        """Return Flower's id of the node with that key, registered where it is new."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the Flower port. Seconds and bytes."""

    budget_bytes: int = 256_000_000
    max_reply_bytes: int = 512 * 1024 * 1024
    hello_seconds: float = 5.0
    first_request_seconds: float = 5.0
    reconnect_seconds: float = 1.5
    stall_seconds: float = 10.0
    """A reply that was granted and of which nothing comes for so long loses its place, where others wait for one."""
    ping_seconds: float = 10.0
    pong_seconds: float = 20.0
    stale_seconds: float = 15.0
    max_request_bytes: int = 16 * 1024 * 1024
    sending_at_once: int = 16
    versions: dict[str, Any] = field(default_factory=dict)
