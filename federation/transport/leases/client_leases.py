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
    ``lock`` is held while clients are looked at and moved; ``lent`` says whose each client is.
    """

    def __init__(self, members: Callable[[], list[Member]]) -> None:
        self.members, self.returned = members, _nothing
        self.lock = threading.RLock()
        self.lent: dict[int, Lease] = {}
        self.all: list[Lease] = []

    def open(self, run_id: int, wish: Wish) -> "Lease":
        """Begin the lease of a run, which takes at once what is free and fits."""
        with self.lock:
            lease = Lease(self, run_id, wish)
            self.all.append(lease)
            self.distribute(self.members())
        return lease

    def owners(self) -> dict[int, int]:
        """Return client -> run of the clients that are lent."""
        with self.lock:
            return {client_id: lease.run_id for client_id, lease in self.lent.items()}

    def count_free(self, fits: Callable[[Member], bool]) -> int:
        """Return how many connected clients fit and belong to no run, once the active ones have what they want."""
        with self.lock:
            self.distribute(members := self.members())
            return sum(one.client_id not in self.lent and fits(one) for one in members)

    # -- with the lock held -------------------------------------------------------------------------------------------

    def distribute(self, members: list[Member]) -> None:
        """Lend free clients: to runs that have too few, then to all that want more, in the order of their start."""
        free = {one.client_id: one for one in members if one.client_id not in self.lent}
        for lease in self.all:
            if free and (needed := lease.count_lacking(members)) > 0:
                self._fill(lease, free, needed)
        for lease in self.all:
            most = lease.wish.most
            self._fill(lease, free, len(free) if most is None else most - len(lease.client_ids))

    def _fill(self, lease: "Lease", free: dict[int, Member], room: int) -> None:
        for client_id in sorted(free):
            if room <= 0:
                break
            if lease.wish.fits(free[client_id]):
                del free[client_id]
                self.move(client_id, lease)
                room -= 1

    def move(self, client_id: int, to: "Lease | None") -> None:
        """Lend a free client, or return one: the only place that changes whose a client is."""
        owner = self.lent.get(client_id)
        if (owner is None) == (to is None):
            raise ForbiddenLoan(f"client {client_id} cannot move from {owner} to {to}")
        if to is not None:
            self.lent[client_id] = to
            to.client_ids.add(client_id)
        elif owner is not None:
            del self.lent[client_id]
            owner.client_ids.discard(client_id)


class Lease:
    """The clients of one active run. Its methods are for the run's thread, but for ``close``."""

    def __init__(self, leases: ClientLeases, run_id: int, wish: Wish) -> None:
        self._leases, self.run_id, self.wish = leases, run_id, wish
        self.client_ids: set[int] = set()
        """The clients of the run, connected or not; changed by ``ClientLeases.move`` alone."""
        self._waits_since: float | None = None

    def __repr__(self) -> str:
        return f"lease of run {self.run_id}"

    @property
    def is_waiting(self) -> bool:
        """Whether the run cannot go on without more clients."""
        return self._waits_since is not None

    def members(self, fits: Callable[[Member], bool], fewest: int) -> list[Member]:
        """Take what is free and fits; return the connected clients of the run, also those that do not fit any more."""
        with self._leases.lock:
            self.wish = Wish(fits, fewest, self.wish.most)
            members = self._leases.members()
            self._leases.distribute(members)
            return [member for member in members if member.client_id in self.client_ids]

    def take(self, client_ids: Collection[int]) -> set[int]:
        """Take those of the clients that are free; return those that the run has."""
        with self._leases.lock:
            for client_id in client_ids:
                if self in self._leases.all and client_id not in self._leases.lent:
                    self._leases.move(client_id, self)
            return self.client_ids.intersection(client_ids)

    def count_elsewhere(self, fits: Callable[[Member], bool]) -> int:
        """Return how many connected clients fit that another run has."""
        with self._leases.lock:
            others = self._leases.lent.keys() - self.client_ids
            return sum(one.client_id in others and fits(one) for one in self._leases.members())

    def count_lacking(self, members: list[Member]) -> int:
        """Return how many clients the run needs besides those of ``members`` that it has; with the lock held."""
        return self.wish.fewest - sum(one.client_id in self.client_ids for one in members)

    def give_back(self, client_ids: Collection[int]) -> None:
        """Return clients that the run cannot use; they must have no task of it."""
        with self._leases.lock:
            given = self.client_ids.intersection(client_ids)
            for client_id in given:
                self._leases.move(client_id, None)
        if given:
            self._leases.returned()

    def note_wait(self, *, is_short: bool, idle: Collection[int] = ()) -> None:
        """Note whether the run waits for more clients; after a while ``idle`` ones go to an earlier run that waits."""
        now = time.monotonic()
        self._waits_since = (now if self._waits_since is None else self._waits_since) if is_short else None
        if self._waits_since is not None and now - self._waits_since >= MAKE_WAY_SECONDS:
            self._make_way(idle)

    def _make_way(self, idle: Collection[int]) -> None:
        """Let an earlier run that waits have ``idle`` clients of this one, which waits too, where they are enough.

        Otherwise two runs that each lack the clients of the other would wait until both fail.
        """
        with self._leases.lock:
            members, leases = self._leases.members(), self._leases.all
            for earlier in leases[: leases.index(self)] if self in leases else ():
                needed = earlier.count_lacking(members)
                fit = [one.client_id for one in members if one.client_id in idle and earlier.wish.fits(one)]
                if earlier.is_waiting and 0 < needed <= len(fit):
                    for client_id in sorted(fit)[:needed]:
                        self._leases.move(client_id, None)
                        self._leases.move(client_id, earlier)
                    return

    def close(self) -> None:
        """Return all clients: the run has ended."""
        with self._leases.lock:
            if self in self._leases.all:
                self._leases.all.remove(self)
            for client_id in list(self.client_ids):
                self._leases.move(client_id, None)
        self._leases.returned()


def _nothing() -> None:
    """Nobody waits for clients."""
