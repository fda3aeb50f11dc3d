"""Stock ``flower-supernode`` processes, each with a key of its own where TLS lets it have one, and a dashboard."""

import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.processes import Meadow, RealProcess, free_port, make_meadow, wait_until
from webapp.commands.certificates import main as make_certificates

BIN = Path(sys.executable).parent
START_SECONDS = 300.0
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
"""Where Python keeps no compiled modules, the process of each message compiles the whole app anew."""
AT_ONCE = 2
"""So many SuperNodes start beside each other: each takes seconds of CPU time to import what it needs."""


@dataclass
class StockNode:
    """One SuperNode; a process that is started again has the same key where ``authority`` names the server's CA."""

    folder: Path
    address: str
    partition: int
    partitions: int
    authority: Path | None = None
    trusted: Path | None = None
    """A file of the keys whose FABs it runs; None: it runs all."""
    process: RealProcess = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        trust = ["--insecure"]
        if self.authority is not None:
            key = ec.generate_private_key(ec.SECP384R1())
            file = self.folder / "node.key"
            file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
            trust = ["--root-certificates", str(self.authority), "--auth-supernode-private-key", str(file)]
        trust += ["--trusted-entities", str(self.trusted)] if self.trusted is not None else []
        data = f"dataset='synthetic' partition-id={self.partition} num-partitions={self.partitions}"
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # it starts other commands of flwr by name
        self.process = RealProcess(
            [*trust, "--superlink", self.address, "--port", str(free_port()), "--node-config", data],
            self.folder / "node.log", program=BIN / "flower-supernode",
            environment={"FLWR_HOME": str(self.folder), "FLWR_TELEMETRY_ENABLED": "0", "PATH": path, **COMPILED},
        )  # fmt: skip

    def start(self) -> None:
        """Start a process of it."""
        self.process.start()

    def kill(self) -> None:
        """Kill the process with SIGKILL; those that it started end by themselves."""
        self.process.kill()

    def restart(self) -> None:
        """End the process in order and start another one."""
        self.process.running.send_signal(signal.SIGTERM)
        with contextlib.suppress(Exception):
            self.process.wait(20)
        self.process.kill()
        self.start()

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the process and to all that it started."""
        for one in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(number)

    def end(self) -> None:
        """End it and what it started, at once."""
        for one in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.kill()

    def _family(self) -> list[psutil.Process]:
        if self.process.process is None or self.process.process.poll() is not None:
            return []
        first = psutil.Process(self.process.process.pid)
        return [first, *first.children(recursive=True)]


class NodeFederation:
    """A dashboard and so many SuperNodes over the synthetic network; with ``tls`` each keeps its key."""

    def __init__(self, folder: Path, count: int, *, tls: bool = False) -> None:
        self.folder, self.count = folder, count
        folder.mkdir(parents=True, exist_ok=True)
        arguments, authority = ["--log-level", "warning"], None
        if tls:
            arguments += ["--tls", "flower"]
            authority = folder / "data" / "tls" / "ca.pem"
            with contextlib.redirect_stdout(sys.stderr):
                make_certificates(["--data-dir", str(folder / "data")])
        self.meadow: Meadow = make_meadow(folder, *arguments)
        self.http = httpx.Client(base_url=self.meadow.url, trust_env=False, timeout=60)
        self.nodes = [
            StockNode(folder / f"node-{i}", self.meadow.flower_address, i, count, authority) for i in range(count)
        ]

    def __enter__(self) -> Self:
        try:
            self.meadow.start()
            for number, node in enumerate(self.nodes):
                wait_until(partial(self._are_online, number - AT_ONCE), START_SECONDS, "SuperNodes are online")
                node.start()
            wait_until(lambda: self.online() == self.count, START_SECONDS, f"{self.count} SuperNodes are online")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """End the SuperNodes and the dashboard."""
        for node in self.nodes:
            node.end()
        self.http.close()
        self.meadow.kill()

    def get(self, path: str) -> Any:
        """Return what the REST API answers."""
        return self.http.get(path).raise_for_status().json()

    def clients(self) -> list[dict[str, Any]]:
        """Return all clients, in the order of their first connection."""
        items: list[dict[str, Any]] = self.get("/api/clients")["items"]
        return items

    def online(self) -> int:
        """Count the clients that are online and have described themselves."""
        return sum(one["state"] == "online" and bool(one["data"]) for one in self.clients())

    def _are_online(self, count: int) -> bool:
        return self.online() >= count

    def start_run(self, rounds: int, parameters: int = 1000, **more: Any) -> int:
        """Start a run over all SuperNodes and return its id."""
        config = {
            "network": "synthetic", "dataset": "synthetic", "synthetic_parameters": parameters, "num_rounds": rounds,
            "min_clients": self.count, "seed": 7, **more,
        }  # fmt: skip
        return int(self.http.post("/api/runs", json=config).raise_for_status().json()["id"])

    def run(self, run_id: int) -> dict[str, Any]:
        """Return the state of a run."""
        return dict(self.get(f"/api/runs/{run_id}"))

    def rounds(self, run_id: int) -> list[dict[str, Any]]:
        """Return a run's committed rounds."""
        items: list[dict[str, Any]] = self.get(f"/api/runs/{run_id}/rounds?limit=1000")["items"]
        return items

    def objects(self) -> int:
        """Return how many objects Flower keeps in the dashboard's memory."""
        lines = self.http.get("/metrics").raise_for_status().text.splitlines()
        return next(int(float(line.split()[1])) for line in lines if line.startswith("meadow_fleet_objects "))


def seconds_of(rounds: list[dict[str, Any]]) -> list[float]:
    """Return how long each round took from the commit of the one before; round 0 trains nobody and is left out."""
    times = [datetime.fromisoformat(row["committed_at"]).timestamp() for row in rounds]
    return [late - early for early, late in pairwise(times)]
