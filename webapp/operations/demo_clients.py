"""Demo clients: processes of ``federation.client`` on this machine, which the dashboard starts, watches and ends.

Each has a pipe as its standard input and ends with it: none outlives the dashboard, however that ends.
"""

import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from federation.client.identity import BadIdentity, Identity
from federation.protocol.addresses import format_address
from federation.protocol.tls.certificates import ServerTls
from federation.run.networks import DemoDataset
from webapp.operations.connections.local_trust import trust_options
from webapp.problems import Conflict, NotFound
from webapp.sanitizing import clean_text

log = logging.getLogger(__name__)

MOST = 4
END_SECONDS = 3.0
"""A client ends within two seconds of the signal; after this many it is killed."""

TOLD_SECONDS = 600.0
"""So long pages tell of a process that has ended by itself; the log of events keeps it."""

UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_WITH_TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
Part = tuple[int, int]
"""Which part of how many, from 0."""

Ended = Callable[[str, str, str], None]
"""Gets public key, name and a sentence when a process has ended by itself."""

Admit = Callable[[str, str], object]
"""Admits the client with a public key, under a name."""


@dataclass(eq=False)
class DemoClient:
    """One process, and the thread that waits for its end."""

    number: int
    name: str
    dataset: DemoDataset
    part: Part
    public_key: str
    log_file: Path
    process: subprocess.Popen[bytes]
    asked_to_end: bool = False
    thread: threading.Thread = field(init=False)

    @property
    def last_line(self) -> str:
        """The last that it wrote, without the time."""
        with self.log_file.open("rb") as file:
            file.seek(max(0, self.log_file.stat().st_size - 4096))
            written = file.read().decode(errors="replace").strip()
        return clean_text(_WITH_TIME.sub("", written.rpartition("\n")[2]), 200)

    def signal(self) -> None:
        """Ask it to end."""
        self.asked_to_end = True
        self.process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait for its end until a moment of the monotonic clock, then see to it."""
        self.thread.join(max(0.0, deadline - time.monotonic()))
        if self.thread.is_alive():
            log.warning("%s did not exit within %s s and is killed", self.name, END_SECONDS)
            self.process.kill()
            self.thread.join(END_SECONDS)


class DemoClients:
    """The demo clients of this dashboard, at most ``most`` at once.

    Parameters
    ----------
    folder : Path
        Holds a key and a log for each; with the same key it is the same client again.
    address : tuple[str, int]
        Where the Flower server listens.
    ended : Ended
        Called in a thread when a process has ended that was not stopped by a user.
    tls : ServerTls | None
        The certificate of the Flower server.
    admit : Admit | None
        Called before a start where the server admits no client that asks: whoever starts a demo client admits it.
    """

    def __init__(
        self, folder: Path, address: tuple[str, int], most: int, ended: Ended, tls: ServerTls | None = None,
        admit: Admit | None = None,
    ) -> None:  # fmt: skip
        host = UNSPECIFIED.get(address[0], address[0])
        self._host, self._tls = host, tls
        self.most = most
        self._folder, self._ended, self._admit = folder.resolve(), ended, admit
        self._address = format_address(host, address[1])
        self._lock = threading.Lock()
        self._running: dict[int, DemoClient] = {}
        self._last_words: dict[int, tuple[float, str]] = {}
        self._keys = set(_kept_keys(self._folder))
        self._closed = False

    # -- who ----------------------------------------------------------------------------------------------------------

    @property
    def running(self) -> list[DemoClient]:
        """Those whose process is there, by number."""
        with self._lock:
            return [self._running[number] for number in sorted(self._running)]

    @property
    def room(self) -> int:
        """How many more may be started."""
        return max(0, self.most - len(self._running))

    @property
    def last_words(self) -> list[str]:
        """Sentences about processes that ended by themselves of late and were not started again."""
        since = time.monotonic() - TOLD_SECONDS
        with self._lock:
            return [sentence for _, (at, sentence) in sorted(self._last_words.items()) if at > since]

    def find(self, public_key: str) -> DemoClient | None:
        """Return the demo client with that key, where its process is there."""
        return next((one for one in self.running if one.public_key == public_key), None)

    def knows(self, public_key: str) -> bool:
        """Say whether a key is a demo client's, of today or of an earlier day."""
        return public_key in self._keys

    # -- start, end ---------------------------------------------------------------------------------------------------

    def start(self, count: int, dataset: DemoDataset, held: Collection[Part] = ()) -> list[DemoClient]:
        """Start ``count`` more; ``held`` are the partitions that other clients hold. Raises Conflict."""
        with self._lock:
            if self._closed:
                raise Conflict("The dashboard is shutting down.")
            if count > self.room:
                raise Conflict(self._why_no_room())
            mine = [one.part for one in self._running.values() if one.dataset == dataset]
            free = [number for number in range(1, MOST + 1) if number not in self._running]
            parts = free_parts([*held, *mine], count)
            return [self._start(number, dataset, part) for number, part in zip(free, parts, strict=False)]

    def _why_no_room(self) -> str:
        if self.most == 0:
            return "Demo clients are disabled: see the setting --demo-clients."
        return f"Demo clients running: {len(self._running):,} of at most {self.most:,}. Stop one first."

    def _start(self, number: int, dataset: DemoDataset, part: Part) -> DemoClient:
        name = f"demo-{number}"
        key_file, log_file = self._folder / f"{name}.json", self._folder / f"{name}.log"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            identity = Identity.load(key_file, name, name)
            if self._admit is not None:
                self._admit(identity.public_key, name)
            process = self._spawn(log_file, [
                "--server", self._address, "--name", name, "--identity", str(key_file), "--dataset", dataset,
                "--partition", str(part[0]), "--partitions", str(part[1]), "--share-labels", "--share-logs",
                "--end-with-stdin", *trust_options(self._tls, self._host, self._folder),
            ])  # fmt: skip
        except BadIdentity as error:
            raise Conflict(str(error)) from error
        except OSError as error:
            raise Conflict(f"{name} cannot be started: {error.strerror}.") from error
        self._last_words.pop(number, None)
        client = DemoClient(number, name, dataset, part, identity.public_key, log_file, process)
        client.thread = threading.Thread(target=self._watch, args=(client,), name=name, daemon=True)
        self._running[number] = client
        self._keys.add(identity.public_key)
        client.thread.start()
        log.info("%s started as process %s", name, process.pid)
        return client

    @staticmethod
    def _spawn(log_file: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
        descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "federation.client", *arguments], stdin=subprocess.PIPE, stdout=output,
                stderr=output, start_new_session=True,  # Ctrl-C is for the dashboard, which ends them in its turn
            )  # fmt: skip

    def _watch(self, client: DemoClient) -> None:
        """Wait for a process's end, and report one that no user requested."""
        code = client.process.wait()
        if client.process.stdin is not None:
            client.process.stdin.close()
        how = f"exited with code {code}" if code >= 0 else f"was killed by signal {-code}"
        sentence = f"{client.name} {how}: {client.last_line or 'no output'}"
        with self._lock:
            del self._running[client.number]
            if not client.asked_to_end:
                self._last_words[client.number] = (time.monotonic(), sentence)
        if not client.asked_to_end:
            log.warning("%s", sentence)
            self._ended(client.public_key, client.name, sentence)

    def end(self, number: int) -> None:
        """End one, and return when its process has ended; raises NotFound."""
        with self._lock:
            client = self._running.get(number)
        if client is None:
            raise NotFound(f"demo-{number} is not running.")
        client.signal()
        client.wait(time.monotonic() + END_SECONDS)

    def stop(self) -> None:
        """Ask all to end, and start no other; ``wait`` sees to it."""
        with self._lock:
            self._closed = True
            for client in self._running.values():
                client.signal()

    def wait(self, deadline_seconds: float = END_SECONDS) -> None:
        """Wait until all have ended; a process that runs at the deadline is killed."""
        deadline = time.monotonic() + deadline_seconds
        for client in self.running:
            client.wait(deadline)


def _kept_keys(folder: Path) -> Iterator[str]:
    """Give the public keys of the demo clients that were started in earlier times."""
    for number in range(1, MOST + 1):
        if (file := folder / f"demo-{number}.json").exists():
            try:
                yield Identity.load(file, None, file.stem).public_key
            except BadIdentity as error:
                log.warning("%s", error)


def free_parts(held: Collection[Part], count: int) -> list[Part]:
    """Choose partitions that no client holds, as far as there are any, of the same number of partitions."""
    parts = max(2, count, *(of for _, of in held)) if held else max(2, count)
    taken = {part for part, of in held if of == parts}
    order = sorted(range(parts), key=lambda part: part in taken)
    return [(order[place % parts], parts) for place in range(count)]
