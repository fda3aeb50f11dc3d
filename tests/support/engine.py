"""The federation side without a dashboard: a Flower server, a supervisor, and a ledger that keeps all in lists."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from federation.coordinator.supervisor import CheckpointPolicy, Job, Participation, Supervisor
from federation.protocol.messages import Hello
from federation.protocol.tls.certificates import ServerTls
from federation.protocol.tls.proxies import ProxyCertificates
from federation.run.config import RunConfig
from federation.run.events import Blocked, ClientChanged, Event, Progress, ReplyRecorded, RoundDone, RoundRefused
from federation.run.rounds.stop_rules import StopRule
from federation.run.states import COMMITTING, ENDED, RunState, sources
from federation.server.flower_server import FlowerServer
from federation.transport.admission import Admission, Limits
from tests.support.migrated import lay_nodes

SYNTHETIC: dict[str, Any] = {"network": "synthetic", "dataset": "synthetic", "seed": 7}


class ListLedger:
    """A ledger that keeps runs, moves and events in memory, by the same rules as the database."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.jobs: list[Job] = []
        self.states: dict[int, RunState] = {}
        self.reasons: dict[int, str | None] = {}
        self.rules: dict[int, StopRule | None] = {}
        self.moves: list[tuple[int, RunState]] = []
        self.events: list[Event] = []
        self.excluded: dict[int, frozenset[int]] = {}
        self.waits: dict[int, Blocked | None] = {}
        """Run id -> what it waits for now, as an event or a move has said; the next move ends it."""

    def queue(self, **config: Any) -> int:
        """Add a run."""
        with self.lock:
            run_id = len(self.jobs) + 1
            made = RunConfig(**{**SYNTHETIC, **config})
            self.jobs.append(Job(run_id, made, made.num_rounds))
            self.states[run_id] = RunState.QUEUED
        return run_id

    def requeue(self, run_id: int, num_rounds: int | None = None) -> None:
        """Queue an ended run again, to continue from its last committed round."""
        with self.lock:
            done = [e for e in self.events if isinstance(e, RoundDone) and e.run_id == run_id]
            job, last = self.jobs[run_id - 1], done[-1] if done else None
            self.jobs[run_id - 1] = Job(
                run_id, job.config, num_rounds or job.num_rounds, last.round if last else -1,
                last.checkpoint if last else None,
            )  # fmt: skip
            assert self.move(run_id, RunState.QUEUED)

    def next_queued(self) -> Job | None:
        """Return the oldest queued run."""
        with self.lock:
            return next((job for job in self.jobs if self.states[job.run_id] is RunState.QUEUED), None)

    def read_state(self, run_id: int) -> RunState | None:
        """Return the state of a run."""
        with self.lock:
            return self.states.get(run_id)

    def read_num_rounds(self, run_id: int) -> int:
        """Return the number of rounds of a run."""
        with self.lock:
            return self.jobs[run_id - 1].num_rounds

    def read_participation(self, run_id: int) -> Participation:
        """Return the minimum of clients of a run, and the excluded ones."""
        with self.lock:
            return Participation(self.jobs[run_id - 1].config.min_clients, self.excluded.get(run_id, frozenset()))

    def exclude(self, run_id: int, *client_ids: int) -> None:
        """Exclude these clients and no others from a run."""
        with self.lock:
            self.excluded[run_id] = frozenset(client_ids)

    def set_min_clients(self, run_id: int, count: int) -> None:
        """Change the minimum of clients of a run."""
        with self.lock:
            job = self.jobs[run_id - 1]
            self.jobs[run_id - 1] = replace(job, config=job.config.model_copy(update={"min_clients": count}))

    def move(
        self,
        run_id: int,
        to: RunState,
        reason: str | None = None,
        by: str | None = None,
        blocked: Blocked | None = None,
        rule: StopRule | None = None,
    ) -> bool:
        """Move a run if its present state allows it."""
        with self.changed:
            if self.states[run_id] not in sources(to):
                return False
            self.states[run_id], self.reasons[run_id] = to, reason
            self.moves.append((run_id, to))
            self.waits[run_id], self.rules[run_id] = blocked, rule
            if blocked is not None:
                self.events.append(blocked)
            self.changed.notify_all()
            return True

    def record(self, event: Event) -> None:
        """Keep an event; raises RoundRefused for a round of a run that is stopping or has ended."""
        with self.changed:
            if isinstance(event, RoundDone) and self.states.get(event.run_id) not in COMMITTING:
                raise RoundRefused(f"Round {event.round} of run {event.run_id} came too late and is not saved")
            self.events.append(event)
            if isinstance(event, Blocked):
                self.waits[event.run_id] = event if event.kind else None
            self.changed.notify_all()

    def flush(self, run_id: int) -> None:
        """Nothing is held back."""

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the events of one kind so far."""
        with self.lock:
            return [event for event in self.events if isinstance(event, kind)]

    def wait(self, predicate: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Wait until ``predicate`` is true; return its value. At the deadline the test fails with the last events."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while not (value := predicate()):
                left = deadline - time.monotonic()
                assert left > 0, f"not within {seconds} s; states {self.states} {self.reasons}, last {self.events[-5:]}"
                self.changed.wait(min(left, 0.2))
            return value

    def wait_end(self, run_id: int, seconds: float = 30.0) -> RunState:
        """Wait until a run has ended; return its state."""
        self.wait(lambda: self.states[run_id] in ENDED, seconds)
        return self.states[run_id]


class Engine:
    """A Flower server and a supervisor; ``running_engine`` starts and ends them.

    ``clients`` are ids by public key, ``states`` admission states by client id, ``admission`` that of all others.
    """

    def __init__(
        self, folder: Path, limits: Limits | None = None, ledger: ListLedger | None = None,
        policy: CheckpointPolicy | None = None, tls: ServerTls | None = None, proxies: ProxyCertificates | None = None,
        parallel_runs: int = 1,
    ) -> None:  # fmt: skip
        self.ledger = ledger or ListLedger()
        self.progress: list[Progress] = []
        self.clients: dict[str, int] = {}
        self.states: dict[int, Any] = {}
        self.admission: Any = "admitted"
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.server = FlowerServer(
            sock=self._socket,
            folder=lay_nodes(folder),
            admit=self._admit,
            report=self._report,
            admit_node=self.admit_node,
            limits=limits or Limits(),
            tls=tls,
            proxies=proxies,
        )
        self.supervisor = Supervisor(
            lane=self.server.lane, ledger=self.ledger, folder=folder / "runs", policy=policy,
            parallel_runs=parallel_runs,
        )  # fmt: skip

    def _admit(self, public_key: str, hello: Hello, _: str) -> Admission:
        client_id = self.clients.setdefault(public_key, len(self.clients) + 1)
        return Admission(client_id, hello.name, self.states.get(client_id, self.admission))

    def admit_node(self, public_key: str, node_id: int) -> Admission:
        """Admit a SuperNode like any other client."""
        client_id = self.clients.setdefault(public_key, len(self.clients) + 1)
        return Admission(client_id, f"node-{node_id}", self.states.get(client_id, self.admission))

    def _report(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.progress.append(event)
        else:
            self.ledger.record(event)

    def start_run(self, **config: Any) -> int:
        """Queue a run, and start it if no other one is active."""
        run_id = self.ledger.queue(**config)
        self.supervisor.wake()
        return run_id

    def wait_online(self, count: int) -> None:
        """Wait until at least ``count`` clients are connected."""
        self.ledger.wait(lambda: len(self.server.lane.members()) >= count)

    def changes(self) -> list[ClientChanged]:
        """Return the events of clients that connected or disconnected."""
        return self.ledger.of(ClientChanged)


@contextmanager
def running_engine(
    folder: Path, limits: Limits | None = None, kind: type[Engine] = Engine, *, ledger: ListLedger | None = None,
    policy: CheckpointPolicy | None = None, tls: ServerTls | None = None, proxies: ProxyCertificates | None = None,
    parallel_runs: int = 1,
) -> Iterator[Engine]:  # fmt: skip
    """Start an engine, with a ledger and a checkpoint policy of the test's own if it has some; stop it at the end."""
    engine = kind(folder, limits, ledger, policy, tls, proxies, parallel_runs)
    engine.server.start()
    engine.supervisor.start()
    try:
        yield engine
    finally:
        assert engine.supervisor.shutdown()
        assert engine.server.stop(6.0)


def outcomes(engine: Engine, phase: str = "train") -> list[tuple[int, int, str, str | None]]:
    """Return (round, client id, outcome, reason) of the replies of a phase."""
    found = [r for r in engine.ledger.of(ReplyRecorded) if r.phase == phase]
    return [(r.round, r.client_id, r.outcome, r.reason) for r in found]
