"""Lends connected clients to the active runs: a client belongs to at most one of them at a time.

A run takes each free client that fits it, up to its maximum. A client that loses the connection stays lent: it is the
run's again when it is back. Free clients go first to the runs that wait for some, in the order of their start, and then
to the others.
"""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from federation.transport.exchange import Member

MAKE_WAY_SECONDS = 5.0
"""After waiting for so long, a run lets an earlier one that waits too have its clients, where they are enough."""


class ForbiddenLoan(RuntimeError):
    """A client was to be lent to a second run, or returned although no run had it: an internal error."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The clients that a run wants: those that fit, at least ``fewest``, and at most ``most`` unless it lost some.

    ``fits`` is called on any thread.
    """

    fits: Callable[[Member], bool]
    fewest: int
    most: int | None = None


class ClientLeases:
    """The leases of all active runs, in the order of their start. Any thread may call it.

    ``members`` returns the clients that are connected. ``returned`` is called after a run has given clients back.
    """

    def __init__(self, members: Callable[[], list[Member]]) -> None:
        self._members, self.returned = members, _nothing
        self._lock = threading.RLock()
        self._owners: dict[int, Lease] = {}
        self._leases: list[Lease] = []

    def open(self, run_id: int, wish: Wish) -> "Lease":
        """Begin the lease of a run, which takes at once what is free and fits."""
        with self._lock:
            lease = Lease(self, run_id, wish)
            self._leases.append(lease)
            self._distribute(self._members())
        return lease

    def owners(self) -> dict[int, int]:
        """Return client -> run of the clients that are lent."""
        with self._lock:
            return {client_id: lease.run_id for client_id, lease in self._owners.items()}

    def count_free(self, fits: Callable[[Member], bool]) -> int:
        """Return how many connected clients fit and belong to no run, once the active ones have what they want."""
        with self._lock:
            self._distribute(members := self._members())
            return sum(one.client_id not in self._owners and fits(one) for one in members)

    # -- for leases ---------------------------------------------------------------------------------------------------

    def take_free(self, lease: "Lease", wish: Wish) -> list[Member]:
        """Lend free clients to the runs that want them; return the connected clients of ``lease``."""
        with self._lock:
            lease.wish = wish
            members = self._members()
            self._distribute(members)
            return [member for member in members if self._owners.get(member.client_id) is lease]

    def take_ids(self, lease: "Lease", client_ids: Collection[int]) -> set[int]:
        """Lend those of the clients that are free to a run; return those of them that it has then."""
        with self._lock:
            for client_id in client_ids:
                if lease in self._leases and client_id not in self._owners:
                    self._move(client_id, lease)
            return {client_id for client_id in client_ids if self._owners.get(client_id) is lease}

    def count_elsewhere(self, lease: "Lease", fits: Callable[[Member], bool]) -> int:
        """Return how many connected clients fit that belong to another run."""
        with self._lock:
            found = ((self._owners.get(one.client_id), one) for one in self._members())
            return sum(owner not in (None, lease) and fits(one) for owner, one in found)

    def give_back(self, lease: "Lease", client_ids: Collection[int]) -> None:
        """Return clients of a run."""
        with self._lock:
            given = [client_id for client_id in client_ids if self._owners.get(client_id) is lease]
            for client_id in given:
                self._move(client_id, None)
        if given:
            self.returned()

    def close(self, lease: "Lease") -> None:
        """End a lease: its run has none of its clients any more."""
        with self._lock:
            if lease in self._leases:
                self._leases.remove(lease)
            for client_id in [one for one, owner in self._owners.items() if owner is lease]:
                self._move(client_id, None)
        self.returned()

    def make_way(self, lease: "Lease", idle: Collection[int]) -> None:
        """Let an earlier run that waits have ``idle`` clients of a later one that waits, where they are enough for it.

        Otherwise two runs that each lack the clients of the other would wait until both fail.
        """
        with self._lock:
            members = self._members()
            for earlier in self._leases[: self._leases.index(lease)] if lease in self._leases else ():
                needed = earlier.wish.fewest - self._count_connected(earlier, members)
                fit = [one.client_id for one in members if one.client_id in idle and earlier.wish.fits(one)]
                if earlier.is_waiting and 0 < needed <= len(fit):
                    for client_id in sorted(fit)[:needed]:
                        self._move(client_id, None)
                        self._move(client_id, earlier)
                    return

    def _distribute(self, members: list[Member]) -> None:
        """Lend free clients: to runs that have too few, then to all that want more, in the order of their start."""
        free = {one.client_id: one for one in members if one.client_id not in self._owners}
        for lease in self._leases:
            if free and (needed := lease.wish.fewest - self._count_connected(lease, members)) > 0:
                self._fill(lease, free, needed)
        for lease in self._leases:
            most = lease.wish.most
            self._fill(lease, free, len(free) if most is None else most - len(lease.client_ids))

    def _fill(self, lease: "Lease", free: dict[int, Member], room: int) -> None:
        for client_id in sorted(free):
            if room <= 0:
                break
            if lease.wish.fits(free[client_id]):
                del free[client_id]
                self._move(client_id, lease)
                room -= 1

    def _count_connected(self, lease: "Lease", members: list[Member]) -> int:
        return sum(self._owners.get(one.client_id) is lease for one in members)

    def _move(self, client_id: int, to: "Lease | None") -> None:
        """Lend a free client, or return one: the only place that changes whose a client is."""
        owner = self._owners.get(client_id)
        if (owner is None) == (to is None):
            raise ForbiddenLoan(f"client {client_id} cannot move from {owner} to {to}")
        if to is not None:
            self._owners[client_id] = to
            to.client_ids.add(client_id)
        elif owner is not None:
            del self._owners[client_id]
            owner.client_ids.discard(client_id)


class Lease:
    """The clients of one active run. Its methods are for the run's thread, but for ``close``."""

    def __init__(self, leases: ClientLeases, run_id: int, wish: Wish) -> None:
        self._leases, self.run_id, self.wish = leases, run_id, wish
        self.client_ids: set[int] = set()
        """The clients of the run, connected or not; changed by ``ClientLeases`` alone."""
        self._waits_since: float | None = None

    def __repr__(self) -> str:
        return f"lease of run {self.run_id}"

    @property
    def is_waiting(self) -> bool:
        """Whether the run cannot go on without more clients."""
        return self._waits_since is not None

    def members(self, fits: Callable[[Member], bool], fewest: int) -> list[Member]:
        """Take what is free and fits; return the connected clients of the run, also those that do not fit any more."""
        return self._leases.take_free(self, Wish(fits, fewest, self.wish.most))

    def take(self, client_ids: Collection[int]) -> set[int]:
        """Take those of the clients that are free; return those that the run has."""
        return self._leases.take_ids(self, client_ids)

    def count_elsewhere(self, fits: Callable[[Member], bool]) -> int:
        """Return how many connected clients fit that another run has."""
        return self._leases.count_elsewhere(self, fits)

    def give_back(self, client_ids: Collection[int]) -> None:
        """Return clients that the run cannot use; they must have no task of it."""
        self._leases.give_back(self, client_ids)

    def note_wait(self, *, is_short: bool, idle: Collection[int] = ()) -> None:
        """Note whether the run waits for more clients; after a while ``idle`` ones go to an earlier run that waits."""
        now = time.monotonic()
        self._waits_since = (now if self._waits_since is None else self._waits_since) if is_short else None
        if self._waits_since is not None and now - self._waits_since >= MAKE_WAY_SECONDS:
            self._leases.make_way(self, idle)

    def close(self) -> None:
        """Return all clients: the run has ended."""
        self._leases.close(self)


def _nothing() -> None:
    """Nobody waits for clients."""
