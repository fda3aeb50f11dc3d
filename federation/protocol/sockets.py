"""Limits how many unsent bytes a socket of the stream lane keeps in the kernel: a pong is sent after them."""

import contextlib
import socket

MAX_UNSENT_BYTES = 256 * 1024
"""The most that the kernel takes before it is sent; by default it takes megabytes. On a slow line a ping, a pong or a
cancel then arrives within seconds, and not after both ends have closed the connection."""


def limit_unsent_bytes(connected: socket.socket) -> None:
    """Let no more than ``MAX_UNSENT_BYTES`` wait in the kernel, where it has the option (TCP_NOTSENT_LOWAT)."""
    with contextlib.suppress(OSError, AttributeError):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES)
