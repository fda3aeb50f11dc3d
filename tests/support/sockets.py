"""Sockets of servers and clients in this process, as the system sees them."""

import os
import socket
from contextlib import closing

import psutil


def accepted_sockets(address: str) -> list[int]:
    """Return the file descriptors of the connections that were accepted at an address and are still open."""
    port = int(address.rpartition(":")[2])
    connections = psutil.Process().net_connections("tcp")
    return [one.fd for one in connections if one.laddr.port == port and one.status != psutil.CONN_LISTEN]


def connected_sockets(address: str) -> list[int]:
    """Return the file descriptors of the connections to an address that this process has made."""
    port = int(address.rpartition(":")[2])
    return [one.fd for one in psutil.Process().net_connections("tcp") if one.raddr and one.raddr.port == port]


def socket_option(descriptor: int, level: int, option: int) -> int:
    """Return an option of a socket that belongs to somebody else, who keeps it."""
    with closing(socket.socket(fileno=os.dup(descriptor))) as copy:
        return copy.getsockopt(level, option)
