"""The active runs, at most so many at a time: each has a thread, a control and a lease of clients."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from federation.coordinator.control import Control
from federation.coordinator.eligibility import meets_requirements
from federation.coordinator.ledger import Job, Participation
from federation.run.config import RunConfig
from federation.transport.exchange import Member
from federation.transport.leases.client_leases import ClientLeases, Lease, Wish


@dataclass(eq=False, slots=True)
class ActiveRun:
    """One start of a run, until its end state is written; a resumed run gets another one."""

    job: Job
    control: Control
    lease: Lease
    thread: threading.Thread | None = None


class ActiveRuns:
    """The active runs, in the order of their start.

    The queue's thread adds them, each run's own thread removes its run; any thread may ask. ``most`` is how many there
    may be; with one, a run starts without regard to clients.
    """

    def __init__(self, most: int, leases: ClientLeases) -> None:
        self.most, self._leases = most, leases
        self._runs: dict[int, ActiveRun] = {}

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of the runs."""
        return tuple(self._runs.copy())

    def all(self) -> list[ActiveRun]:
        """Return the runs."""
        return list(self._runs.copy().values())

    def of(self, run_id: int) -> ActiveRun | None:
        """Return the present start of a run."""
        return self._runs.get(run_id)

    @property
    def is_full(self) -> bool:
        """Whether no other run may be started."""
        return len(self._runs) >= self.most

    def has_clients_for(
        self, job: Job, read: Callable[[int], Participation], supernodes: Callable[[], set[int]]
    ) -> bool:  # fmt: skip
        """Say whether a run may start beside those that are active: enough clients that fit it belong to none.

        Without an active run it may in any case, and then waits for clients where people see it. Of runs with an app
        for SuperNodes one is active at a time: Flower's database follows one.
        """
        if not self._runs or not needs_clients(job.config):
            return True
        if uses_app(job.config) and any(uses_app(one.job.config) for one in self.all()):
            return False
        wanted = read(job.run_id)
        if job.config.network == "app":
            free = len(supernodes() - wanted.excluded - self._leases.owners().keys())
        else:
            free = self._leases.count_free(_fits(job.config, wanted))
        return free >= wanted.min_clients

    def add(self, job: Job, read: Callable[[int], Participation], supernodes: Callable[[], set[int]]) -> ActiveRun:
        """Add a run, which has at once the free clients that it may have; ``read`` is asked where others may start."""
        config, wish = job.config, Wish(lambda _: False, 0, job.config.max_clients)
        wanted = read(job.run_id) if self.most > 1 and needs_clients(config) else None
        if wanted is not None and config.network != "app":
            wish = Wish(_fits(config, wanted), wanted.min_clients, config.max_clients)
        lease = self._leases.open(job.run_id, wish)
        if wanted is not None and config.network == "app":
            lease.take(supernodes() - wanted.excluded)
        control = Control(job.num_rounds, Participation(config.min_clients))
        self._runs[job.run_id] = active = ActiveRun(job, control, lease)
        return active

    def remove(self, active: ActiveRun) -> None:
        """Remove a run, and return its clients."""
        if self._runs.get(active.job.run_id) is active:
            del self._runs[active.job.run_id]
        active.lease.close()

    def interrupt(self) -> None:
        """Let the threads of the runs end, because the process does."""
        for active in self.all():
            active.control.interrupt()

    def end(self, deadline: float) -> bool:
        """Interrupt the runs and wait for their threads until ``deadline``, on the monotonic clock; False at it."""
        self.interrupt()
        threads = [active.thread for active in self.all() if active.thread is not None]
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)


def uses_app(config: RunConfig) -> bool:
    """Say whether SuperNodes run an app of people for a run."""
    return config.network == "app" or bool(config.node_app)


def needs_clients(config: RunConfig) -> bool:
    """Say whether clients do anything in a run: the server alone may evaluate."""
    return config.kind != "evaluation" or config.client_evaluation != "off"


def _fits(config: RunConfig, wanted: Participation) -> Callable[[Member], bool]:
    selected, excluded = frozenset(config.clients) if config.clients is not None else None, wanted.excluded
    return lambda member: member.client_id not in excluded and meets_requirements(member, config, selected)
