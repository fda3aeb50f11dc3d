"""What the lanes are given by the server and the application: admission, keys and node ids, and limits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from federation.protocol.connection_limit import ConnectionBounds
from federation.protocol.messages import Close, Hello


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a client that asks to join."""

    client_id: int
    name: str
    state: Literal["admitted", "pending", "revoked"]


class AdmissionRefused(Exception):
    """A client may not join; the sentence says why. After ``Close.FULL`` it may try again."""

    def __init__(self, sentence: str, code: Close = Close.FULL) -> None:
        super().__init__(sentence)
        self.code = code


Admit = Callable[[str, Hello, str], Admission]
"""Answers a public key (PEM text), a hello and the client's address; called in a worker thread.

May raise StoreUnavailable and AdmissionRefused.
"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An attempt to connect, or a connection, that the server ended: the close code, the reason, and the client."""

    code: int
    reason: str
    name: str
    """The name in the client's hello; empty before its hello."""
    address: str


class Registry(Protocol):
    """Keys and Flower's node ids; called in worker threads."""

    def verified_key(self, public_key: str, message: bytes, signature: str) -> str | None:
        """Return the key (PEM text) in its one spelling if its ``signature`` (base64) fits ``message``; else None."""

    def node_id(self, public_key: str) -> int:
        """Return Flower's id of the node with that key; a new key gets a node."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the Flower port. Seconds and bytes."""

    budget_bytes: int = 256_000_000
    max_reply_bytes: int = 512 * 1024 * 1024
    hello_seconds: float = 5.0
    first_request_seconds: float = 5.0
    reconnect_seconds: float = 1.5
    stall_seconds: float = 10.0
    """A granted reply of which no byte comes for so long loses its place in the budget, where others wait for one."""
    ping_seconds: float = 10.0
    pong_seconds: float = 20.0
    stale_seconds: float = 15.0
    max_request_bytes: int = 16 * 1024 * 1024
    sending_at_once: int = 16
    connections: ConnectionBounds = field(default_factory=ConnectionBounds)
