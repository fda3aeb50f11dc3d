"""Simulated clients: virtual clients in processes of this machine, which the dashboard starts, watches and ends.

Each process has a pipe as its standard input and ends with it: none outlives the dashboard, however that ends.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from federation.client.identity import BadIdentity
from federation.protocol.tls.certificates import ServerTls
from federation.simulation.keys import identity_of, load_secret
from federation.simulation.plan import MAX_CLIENTS, STATES, Member, Plan
from federation.simulation.processes import HostProcess
from webapp.operations.connections.local_trust import trust_of
from webapp.operations.simulation.app_clients import Work, plan_of
from webapp.operations.simulation.logs import last_line
from webapp.operations.simulation.partitions import Part, check_parts, free_parts
from webapp.problems import Conflict, NotFound

log = logging.getLogger(__name__)

PREFIX, DIGITS = "sim", 3
MAX_PROCESSES = 16
END_SECONDS = 3.0
"""A process ends within two seconds of the request; after this many it is killed."""

TOLD_SECONDS = 600.0
"""So long pages tell of a process that has ended by itself; the log of events keeps it."""

UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
Ended = Callable[[Sequence[str], str], None]
"""Gets the public keys of the clients and a sentence when their process has ended by itself, for good."""

Admit = Callable[[dict[str, str]], object]
"""Admits clients: public key -> name."""


@dataclass(frozen=True, slots=True)
class SimulatedClient:
    """A simulated client that has been started and not ended, connected or not."""

    number: int
    name: str
    work: Work
    part: Part
    public_key: str
    process: HostProcess

    @property
    def pid(self) -> int:
        """The process that it shares."""
        return self.process.pid


class SimulatedClients:
    """The simulated clients of this dashboard, at most ``most`` at once.

    Parameters
    ----------
    folder : Path
        Holds the secret of the clients' keys, and a log for each process; with the same secret they are the same
        clients again.
    address : tuple[str, int]
        Where the Flower server listens.
    ended : Ended
        Called in a thread.
    tls : ServerTls | None
        The certificate of the Flower server.
    admit : Admit | None
        Called before a start where the server does not admit every client: whoever starts these admits them.
    """

    def __init__(
        self, folder: Path, address: tuple[str, int], most: int, ended: Ended, tls: ServerTls | None = None,
        admit: Admit | None = None,
    ) -> None:  # fmt: skip
        self.most = most
        self._host, self._port = UNSPECIFIED.get(address[0], address[0]), address[1]
        self._folder, self._ended, self._tls, self._admit = folder.resolve(), ended, tls, admit
        self._starting = threading.Lock()  # one start at a time; what reads does not wait for the database
        self._lock = threading.Lock()
        self._running: dict[int, SimulatedClient] = {}
        self._last_words: dict[str, tuple[float, str]] = {}
        self._closed = False

    # -- who ----------------------------------------------------------------------------------------------------------

    @property
    def running(self) -> list[SimulatedClient]:
        """Those that were started and not ended, by number."""
        with self._lock:
            return [self._running[number] for number in sorted(self._running)]

    @property
    def processes(self) -> list[HostProcess]:
        """The processes that hold them, in the order of their clients."""
        return list(dict.fromkeys(one.process for one in self.running))

    @property
    def room(self) -> int:
        """How many more may be started."""
        return max(0, self.most - len(self._running))

    @property
    def last_words(self) -> list[str]:
        """Sentences about processes that died or ended by themselves of late."""
        since = time.monotonic() - TOLD_SECONDS
        with self._lock:
            return [sentence for at, sentence in self._last_words.values() if at > since]

    def find(self, public_key: str) -> SimulatedClient | None:
        """Return the client with that key, where it is running."""
        with self._lock:
            return next((one for one in self._running.values() if one.public_key == public_key), None)

    # -- start, end ---------------------------------------------------------------------------------------------------

    def start(self, count: int, work: Work, held: Collection[Part] = (), processes: int = 1) -> list[SimulatedClient]:
        """Start ``count`` more in so many processes; ``held`` are partitions of other clients.

        Raises Conflict, and Invalid where the dataset cannot be cut into so many partitions.
        """
        with self._starting:
            with self._lock:
                if count > max(0, self.most - len(self._running)):
                    raise Conflict(self._why_no_room())
                mine = [one.part for one in self._running.values() if one.work == work]
                parts = free_parts([*held, *mine], count)
                check_parts(work, parts[0][1])
                free = (number for number in range(1, MAX_CLIENTS + 1) if number not in self._running)
                members = [Member(number, part) for number, (part, _) in zip(free, parts, strict=False)]
            return self._start(members, parts[0][1], work, processes)

    def _why_no_room(self) -> str:
        if self.most == 0:
            return "Simulated clients are disabled: see the setting --demo-clients."
        return f"Simulated clients running: {len(self._running):,} of at most {self.most:,}. Stop some first."

    def _start(self, members: Sequence[Member], partitions: int, work: Work, processes: int) -> list[SimulatedClient]:
        try:
            plan = self._plan(members, partitions, work)
            keys = {one.number: identity_of(plan.secret, plan.name_of(one.number)).public_key for one in members}
            if self._admit is not None:
                self._admit({keys[one.number]: plan.name_of(one.number) for one in members})
            started = []
            with self._lock:
                if self._closed:
                    raise Conflict("The dashboard is shutting down.")
                for share in plan.shares(processes):
                    process = self._start_process(share, [keys[one.number] for one in share.members])
                    for number, part in share.members:
                        started.append(SimulatedClient(
                            number, plan.name_of(number), work, (part, partitions), keys[number], process
                        ))  # fmt: skip
                        self._running[number] = started[-1]
        except BadIdentity as error:
            raise Conflict(str(error)) from error
        except OSError as error:
            raise Conflict(f"The clients cannot be started: {error.strerror}.") from error
        return started

    def _plan(self, members: Sequence[Member], partitions: int, work: Work) -> Plan:
        secret = load_secret(self._folder)
        return Plan(
            host=self._host, port=self._port, prefix=PREFIX, digits=DIGITS, members=tuple(members),
            partitions=partitions, secret=secret, share_logs=True, **plan_of(work),
            states=self._folder / STATES, **trust_of(self._tls, self._host, self._folder),
        )  # fmt: skip

    def _start_process(self, plan: Plan, keys: Sequence[str]) -> HostProcess:
        output = self._folder / f"{plan.name_of(plan.members[0].number)}.log"

        def on_death(sentence: str, delay: float) -> None:
            self._tell(plan.title, f"{sentence} and is started again: {last_line(output)}")

        process = HostProcess(plan, plan.title, on_death, partial(self._on_end, plan, keys, output), output)
        self._last_words.pop(plan.title, None)
        process.start()
        log.info("simulated clients %s started as process %s", plan.title, process.pid)
        return process

    def _tell(self, title: str, sentence: str) -> None:
        log.warning("%s", sentence)
        with self._lock:
            self._last_words[title] = (time.monotonic(), sentence)

    def _on_end(self, plan: Plan, keys: Sequence[str], output: Path, code: int) -> None:
        """A process has ended and is not started again. Nobody asked for it where it held clients still."""
        with self._lock:
            held = [number for number, _ in plan.members if number in self._running]
            by_itself = held and not self._closed
            for number in held:
                del self._running[number]
        if by_itself:
            sentence = f"{plan.title} exited with code {code}: {last_line(output)}"
            self._tell(plan.title, sentence)
            self._ended(keys, sentence)

    def end(self, number: int) -> None:
        """End one client, with its process where it is the last one of it; raises NotFound."""
        with self._lock:
            client = self._running.pop(number, None)
            is_last = client is not None and all(one.process is not client.process for one in self._running.values())
        if client is None:
            raise NotFound(f"{PREFIX}-{number:0{DIGITS}d} is not running.")
        client.process.remove(number)
        if is_last:
            _end([client.process])

    def end_all(self) -> int:
        """End all clients and return how many there were; their processes have ended then."""
        with self._lock:
            ended = list(self._running.values())
            self._running.clear()
        _end(list(dict.fromkeys(one.process for one in ended)))
        return len(ended)

    def stop(self) -> None:
        """Ask all to end, and start no other; ``wait`` sees to it."""
        with self._lock:
            self._closed = True
        for process in self.processes:
            process.stop()

    def wait(self, deadline_seconds: float = END_SECONDS) -> None:
        """Wait until all have ended; a process that runs at the deadline is killed."""
        deadline = time.monotonic() + deadline_seconds
        for process in self.processes:
            process.wait(deadline)


def _end(processes: Sequence[HostProcess]) -> None:
    for process in processes:
        process.stop()
    deadline = time.monotonic() + END_SECONDS
    for process in processes:
        process.wait(deadline)
