"""How much a socket of the stream lane, on either side, lets wait in the system: a pong stands in the same queue."""

import contextlib
import socket

MAX_UNSENT_BYTES = 256 * 1024
"""So much the system takes that is not on its way yet; by itself it would take megabytes. On a slow line a ping, a pong
or a cancel then arrives within seconds, not when both ends have long given up."""


def limit_unsent_bytes(connected: socket.socket) -> None:
    """Let no more than ``MAX_UNSENT_BYTES`` wait in the system, where it knows how."""
    with contextlib.suppress(OSError, AttributeError):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES)
