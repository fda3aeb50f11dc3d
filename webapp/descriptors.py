"""How many files and sockets the process may have open, and how many of them are for connections."""

import logging
import resource

from federation.protocol.addresses import Network
from federation.protocol.connection_limit import ConnectionBounds
from federation.protocol.serving import ACCEPTED_AT_ONCE

log = logging.getLogger(__name__)

RESERVED = 256
"""For the database, checkpoints, locks, child processes, and what libraries open."""
MOST_DASHBOARD, MOST_FLOWER = 1024, 16_384


def raise_open_files() -> None:
    """Raise the soft limit of open files to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # some systems take no hard limit that is infinite
        log.warning("the limit of open files stays at %d: %s", soft, error)


def open_files() -> float:
    """Return how many files and sockets the process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if soft == resource.RLIM_INFINITY else soft


def connection_bounds(files: float, proxies: tuple[Network, ...] = ()) -> tuple[ConnectionBounds, ConnectionBounds]:
    """Return the bounds of the dashboard's port and of the Flower port for so many open files.

    One address gets three quarters of a port, a trusted proxy all of it. Each connection of the dashboard may have a
    file open that it downloads.
    """
    free = max(files - RESERVED - 2 * ACCEPTED_AT_ONCE, 64)
    dashboard = int(min(MOST_DASHBOARD, free // 6))
    flower = int(min(MOST_FLOWER, free - 2 * dashboard))
    dashboard_bounds, flower_bounds = (
        ConnectionBounds(total, total * 3 // 4, proxies) for total in (dashboard, flower)
    )
    return dashboard_bounds, flower_bounds
