"""How many connections a port serves at once: in all, and from one address."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from federation.protocol.addresses import Network, is_within, network_of

log = logging.getLogger(__name__)

LOG_SECONDS = 60.0

Leave = Callable[[], None]
"""To be called once, when a connection that was counted is closed."""


@dataclass(frozen=True, slots=True)
class ConnectionBounds:
    """The most connections of a port; ``proxies`` pass on those of many peers, each of which has ``per_address``."""

    total: int = 4096
    per_address: int = 2048
    proxies: tuple[Network, ...] = ()


class ConnectionLimit:
    """Counts the connections of a port. On the server's loop alone.

    ``name`` is the port's in the log, which says once a minute that connections are refused.
    """

    def __init__(self, bounds: ConnectionBounds, name: str) -> None:
        self._bounds, self._name = bounds, name
        self._count = self._refused = 0
        self._by_address: Counter[str] = Counter()
        self._next_log_at = 0.0

    def enter(self, host: str) -> Leave | None:
        """Count a connection from a host, and return how it leaves; None where the port serves no more."""
        address = network_of(host) or host
        if self._count >= self._bounds.total:
            self._refuse(f"{self._count} connections are open, the most that it serves")
            return None
        is_full = self._by_address[address] >= self._bounds.per_address
        if is_full and not is_within(host, self._bounds.proxies):
            self._refuse(f"{self._by_address[address]} connections from {host} are open, the most from one address")
            return None
        self._count += 1
        self._by_address[address] += 1
        return partial(self._leave, address)

    def _leave(self, address: str) -> None:
        self._count -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def _refuse(self, reason: str) -> None:
        self._refused += 1
        if time.monotonic() >= self._next_log_at:
            self._next_log_at = time.monotonic() + LOG_SECONDS
            advice = "A higher limit of open files (ulimit -Hn) allows more"
            log.warning("the %s refuses connections (%d so far): %s. %s", self._name, self._refused, reason, advice)
