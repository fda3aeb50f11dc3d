"""Meadow as it is shipped: ``python -m webapp`` with database, checkpoints and events, and clients that do no work."""

import contextlib
import io
import sys
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.plan import REAL_CLIENTS
from benchmarks.processes import Children, cpu_seconds, family_of, peak_bytes, reset_peak, wait_until
from benchmarks.timing import Timing
from federation.run.states import ENDED
from tests.support.processes import Meadow, make_meadow
from webapp.commands.certificates import main as make_certificates

CROWD_PROCESSES = SIMULATION_PROCESSES = 2
POLL_SECONDS = 0.25
PORT_TAKEN = 4
LEFT_OUT_ROUNDS = 2
"""The first rounds of a run are left out: round 0 trains nobody, round 1 warms up."""


def _started(folder: Path, *, tls: bool) -> Meadow:
    """Start a dashboard on free ports; where somebody was quicker to take one, on others. It has no TLS itself."""
    while True:
        meadow = make_meadow(folder, "--log-level", "warning", "--tls", "flower" if tls else "off")
        try:
            meadow.start()
        except AssertionError:
            if meadow.running.poll() != PORT_TAKEN:
                raise
        else:
            return meadow


class MeadowFederation:
    """A dashboard with its Flower server, and clients that stay connected from one run to the next."""

    name = "Meadow"

    def __init__(
        self, folder: Path, children: Children, clients: int, *, light: bool | None = None, tls: bool = False,
        app: str | None = None,
    ) -> None:  # fmt: skip
        """Start all. ``app``: the clients are virtual ones of two processes, which run that Flower ClientApp."""
        self.clients, self._children, self._app = clients, children, app
        self.light = clients > REAL_CLIENTS if light is None else light
        self._trust: list[str] = []
        folder.mkdir(parents=True)
        if tls:
            self.name, self._trust = "Meadow, TLS", ["--root-certificates", str(folder / "data" / "tls" / "ca.pem")]
            with contextlib.redirect_stdout(sys.stderr):
                make_certificates(["--data-dir", str(folder / "data")])
        self.meadow = _started(folder, tls=tls)
        self.http = httpx.Client(base_url=self.meadow.url, trust_env=False, timeout=60)
        started = (
            [self._simulation(folder, app)] if app else self._crowd() if self.light else self._real_clients(folder)
        )
        wait_until(lambda: self._online() >= clients, 180, f"{clients} clients online")
        self._workers = [pid for process in started for pid in family_of(process.pid)]

    def close(self) -> None:
        """End the dashboard; the clients end with their block."""
        self.http.close()
        self.meadow.kill()

    def _real_clients(self, folder: Path) -> list[Any]:
        return [
            self._children.module(
                f"client-{self.clients}-{i}", "federation.client", "--server", self.meadow.flower_address,
                "--name", f"client-{i}", "--dataset", "synthetic", "--partition", str(i),
                "--partitions", str(self.clients), "--identity", str(folder / f"client-{i}.json"), *self._trust,
            )
            for i in range(self.clients)
        ]  # fmt: skip

    def _crowd(self) -> list[Any]:
        share, more = divmod(self.clients, CROWD_PROCESSES)
        counts = [count for i in range(CROWD_PROCESSES) if (count := share + (i < more))]
        return [
            self._children.module(
                f"crowd-{self.clients}-{i}", "benchmarks.crowd", self.meadow.flower_address, str(i), str(count)
            )
            for i, count in enumerate(counts)
        ]

    def _simulation(self, folder: Path, app: str) -> Any:
        return self._children.module(
            f"simulation-{self.clients}", "federation.simulation", "--server", self.meadow.flower_address, "--clients",
            str(self.clients), "--processes", str(SIMULATION_PROCESSES), "--app", app,
            "--identities", str(folder / "identities"),
        )  # fmt: skip

    def _online(self) -> int:
        items = self.get("/api/clients")["items"]
        return sum(client["state"] == "online" for client in items)

    def get(self, path: str) -> Any:
        """Return what the REST API answers."""
        return self.http.get(path).raise_for_status().json()

    def start_run(self, parameters: int, rounds: int, **more: Any) -> int:
        """Start a run over all clients and return its id."""
        model = {"network": "synthetic", "dataset": "synthetic", "synthetic_parameters": parameters}
        if self._app is not None:
            model = {"network": "custom", "initial_weights": self._uploaded(parameters)}
        config = {**model, "num_rounds": rounds, "min_clients": self.clients, "seed": 7, **more}
        return int(self.http.post("/api/runs", json=config).raise_for_status().json()["id"])

    def _uploaded(self, parameters: int) -> str:
        with io.BytesIO() as file:
            np.savez(file, np.zeros(parameters, np.float32))
            return str(self.http.post("/api/weights", files={"file": file.getvalue()}).raise_for_status().json()["id"])

    def wait_end(self, run_id: int, seconds: float = 600.0) -> None:
        """Wait for the end of a run; fails when it is not completed."""
        deadline = time.monotonic() + seconds
        while (run := self.get(f"/api/runs/{run_id}"))["state"] not in ENDED:
            assert time.monotonic() < deadline, f"not within {seconds} s: the end of run {run_id}"
            time.sleep(POLL_SECONDS)  # seldom: what is asked of the server is work that it does not do for the round
        assert run["state"] == "completed", run["reason"]

    def rounds(self, run_id: int) -> list[dict[str, Any]]:
        """Return a run's committed rounds."""
        items: list[dict[str, Any]] = self.get(f"/api/runs/{run_id}/rounds")["items"]
        return items

    def work(self, parameters: int, rounds: int, **more: Any) -> Timing:
        """Work a run of so many rounds; a round's time is that from one commit to the next."""
        server = self.meadow.running.pid
        idle = reset_peak(server)
        before, theirs = cpu_seconds(server), cpu_seconds(*self._workers)
        run_id = self.start_run(parameters, rounds + LEFT_OUT_ROUNDS - 1, **more)
        self.wait_end(run_id)
        spent, spent_by_clients = cpu_seconds(server) - before, cpu_seconds(*self._workers) - theirs
        committed = self.rounds(run_id)
        lost = [row["failures"] + row["refusals"] for row in committed if row["failures"] or row["refusals"]]
        assert not lost and len(committed) == rounds + LEFT_OUT_ROUNDS, (len(committed), lost[:3])
        times = [datetime.fromisoformat(row["committed_at"]).timestamp() * 1000 for row in committed]
        last = committed[-1]
        return Timing(
            [late - early for early, late in pairwise(times[LEFT_OUT_ROUNDS - 1 :])],
            cpu_ms=spent / len(committed) * 1000, client_cpu_ms=spent_by_clients / len(committed) * 1000,
            peak_bytes=peak_bytes(server), idle_bytes=idle, committed=len(committed),
            bytes_down=last["bytes_down"] / self.clients, bytes_up=last["bytes_up"] / self.clients,
        )  # fmt: skip
