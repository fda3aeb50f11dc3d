"""The inside of flwr that the Flower port needs: process identity, key check, node registry, Fleet API app.

The server side of flwr takes over a second to import: clients must not import this module.
"""

import base64
import binascii
import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from starlette.middleware import Middleware

from federation.apps.poll_signal import Signal
from federation.fleet.nodes import Node
from federation.flwr_internals import (
    FLEET_HTTP_PUBLIC_KEY_HEADER,
    FLEET_HTTP_SIGNATURE_HEADER,
    NOOP_ACCOUNT_NAME,
    NOOP_FLWR_AID,
    TIMESTAMP_HEADER,
    LinkStateFactory,
    NodeAuthMiddleware,
    NodeInfo,
    ObjectStoreFactory,
    TaskIdentity,
    bytes_to_public_key,
    get_federation_manager,
    public_key_to_bytes,
    router,
    uses_nist_ec_curve,
    verify_signature,
)
from federation.protocol.keys import BadKey, parse_public_key
from federation.run.events import StoreUnavailable
from federation.server.fab_signing import FabSigner
from federation.server.flower_apps import WatchedState, app_of_flower

HEARTBEAT_SECONDS = 30.0
"""A new node counts as online for so long."""

_SIGNED_HEADERS = (FLEET_HTTP_PUBLIC_KEY_HEADER, TIMESTAMP_HEADER, FLEET_HTTP_SIGNATURE_HEADER)


def identify_process(node_id: int) -> None:
    """Set flwr's identity of this process, without which no ``Message`` can be made; let flwr log warnings only.

    flwr's own handler would write them a second time, in another format and with control characters.
    """
    logging.getLogger("flwr").setLevel(logging.WARNING)
    logging.getLogger("flwr").handlers.clear()
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, node_id


def verified_key(public_key: str, message: bytes, signature: str) -> str | None:
    """Return the key (PEM, a NIST curve) if its ``signature`` (base64, ECDSA, SHA-256) fits ``message``, else None.

    PEM can be written in many ways, with other line ends or text around it. The key is returned in one spelling, always
    the same: a key is one client, however it is written.
    """
    try:
        key = bytes_to_public_key(public_key.encode("ascii"))
        raw = base64.b64decode(signature, validate=True)
    except (ValueError, TypeError, UnicodeError, binascii.Error):
        return None
    fits = (
        isinstance(key, ec.EllipticCurvePublicKey) and uses_nist_ec_curve(key) and verify_signature(key, message, raw)
    )
    return public_key_to_bytes(key).decode("ascii") if fits else None


def has_valid_signature(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a Fleet call's headers (lower-case names) are signed by the key they name.

    Flower checks the time in them later.
    """
    try:
        key, stamp, signature = (headers[name.lower().encode()] for name in _SIGNED_HEADERS)
        public_key = base64.b64decode(key, validate=True).decode("ascii")
    except (KeyError, ValueError, binascii.Error):
        return False
    return verified_key(public_key, stamp, signature.decode("ascii", "replace")) is not None


def signing_key(headers: Mapping[bytes, bytes]) -> str:
    """Return the public key (PEM, in its one spelling) that a Fleet call's headers name; empty where it is none."""
    header = headers.get(FLEET_HTTP_PUBLIC_KEY_HEADER.lower().encode(), b"")
    try:
        return parse_public_key(base64.b64decode(header, validate=True).decode("ascii"))
    except (ValueError, binascii.Error):
        return ""


class Nodes:
    """Flower's LinkState in a SQLite file: which key is which node, and which nodes send heartbeats. For any thread."""

    def __init__(self, file: Path) -> None:
        objects = ObjectStoreFactory(":flwr-in-memory:")
        url = f"sqlite:///{quote(str(file.resolve()))}"  # of a bare path flwr makes a URL without quoting it
        federations = get_federation_manager()
        self.state = WatchedState(url, federations, objects.store())
        self.state.signal, self.state.signer = Signal(), FabSigner(file.with_name("fab-key.pem"))
        self.state.initialize()
        self.factory = LinkStateFactory(url, federations, objects)
        self.factory.state_instance = self.state

    verified_key = staticmethod(verified_key)

    def node_id(self, public_key: str) -> int:
        """Return the id of the node with that key; a new key gets a node.

        Raises
        ------
        StoreUnavailable
            When Flower's database cannot be read or written now, on a full disk for example.
        """
        key = public_key.encode("ascii")
        with _told():
            known = self.state.get_node_id_by_public_key(key)
            if known is not None:
                return known
            return self.state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, key, HEARTBEAT_SECONDS)

    def let_begin(self, public_key: str) -> None:
        """Make the node of a key one that a process may begin as: Flower takes none that is online already.

        Raises StoreUnavailable.
        """
        node_id = self.node_id(public_key)
        with _told():
            self.state.deactivate_node(node_id)

    def mark_all_offline(self) -> None:
        """Drop heartbeats of an earlier process: a node that it left online could not activate for a minute."""
        for node in self.supernodes():
            if node.online:
                self.state.deactivate_node(node.node_id)

    def supernodes(self) -> list[Node]:
        """Return the nodes that have sent a heartbeat: those of stream clients, perhaps a thousand, never do."""
        return [_node(info) for info in self.state.get_node_info(statuses=("online", "offline"))]


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Raise StoreUnavailable for what SQLite raises, which SQLAlchemy wraps."""
    try:
        yield
    except Exception as error:
        cause = getattr(error, "orig", None)
        if not isinstance(cause, sqlite3.Error):
            raise
        raise StoreUnavailable(f"Flower's database of nodes cannot be written: {cause}") from error


def _node(info: NodeInfo) -> Node:
    key = info.public_key.decode("ascii", "replace")
    with contextlib.suppress(BadKey):  # Flower keeps it as it came, and PEM can be written in many ways
        key = parse_public_key(key)
    return Node(info.node_id, key, info.status == "online")


def fleet_app(nodes: Nodes) -> FastAPI:
    """Return Flower's Fleet API over HTTP, unchanged; the Control and Runtime APIs are never mounted.

    Any key may register: ``enable_supernode_auth`` False means that keys need not be known beforehand. Every call is
    signed all the same.
    """
    app = app_of_flower(Middleware(NodeAuthMiddleware))
    app.state.linkstate_factory = nodes.factory
    app.state.enable_supernode_auth = False
    app.include_router(router)
    return app
