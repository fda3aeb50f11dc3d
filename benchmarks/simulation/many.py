"""A run of many simulated clients, some of whose processes are killed: ``python -m benchmarks.simulation.many``.

Measures seconds a round, the memory of all processes, CPU time of a client's share of a round (server included), and
the pages after the run. ``--dataset digits --clients 100 --processes 1 --no-kill`` is the measure of a client's share.
"""

import argparse
import sys
import tempfile
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from benchmarks.processes import cpu_seconds, wait_until
from benchmarks.simulation.press import Memory, slowest
from federation.run.states import ENDED
from tests.support.processes import Meadow, make_meadow

KILLED_IN_ROUND = 5
LIMITS = {"median s a round": 6.0, "MB of all processes": 2500.0, "ms of the slowest page": 500.0,
          "CPU ms of a client in a round": 4.0}  # fmt: skip


def measure(meadow: Meadow, given: argparse.Namespace) -> dict[str, float]:
    """Start the clients, work the run, kill a process in it, look at pages; return the figures."""
    with httpx.Client(base_url=meadow.url, trust_env=False, timeout=120) as http:
        memory, began = Memory(meadow.running.pid), time.monotonic()
        body = {"count": given.clients, "dataset": given.dataset, "processes": given.processes}
        http.post("/api/demo-clients", json=body).raise_for_status()
        print(f"started in {time.monotonic() - began:.1f} s", flush=True)
        wait_until(lambda: _online(http) == given.clients, 300, "all clients online")
        print(f"online after {time.monotonic() - began:.1f} s", flush=True)
        config = {"dataset": given.dataset, "network": "synthetic" if given.dataset == "synthetic" else "mlp",
                  "num_rounds": given.rounds, "min_clients": given.clients, "seed": 7}  # fmt: skip
        run_id = int(http.post("/api/runs", json=config).raise_for_status().json()["id"])
        wait_until(lambda: _run(http, run_id)["current_round"] >= 1, 300, "the first round")
        before = cpu_seconds(*_family(meadow)), _run(http, run_id)["current_round"]
        if not given.no_kill:
            wait_until(lambda: _run(http, run_id)["current_round"] >= KILLED_IN_ROUND - 1, 600, "round 5")
            victim = http.get("/api/demo-clients").json()["items"][0]["pid"]
            psutil.Process(victim).kill()
            print(f"killed process {victim} in round {KILLED_IN_ROUND}", flush=True)
        wait_until(lambda: _run(http, run_id)["state"] in ENDED, 1200, "the end of the run")
        spent, rounds = cpu_seconds(*_family(meadow)) - before[0], given.rounds - before[1]
        run = _run(http, run_id)
        assert run["state"] == "completed", run["reason"]
        committed = http.get(f"/api/runs/{run_id}/rounds").json()["items"]
    times = [datetime.fromisoformat(row["committed_at"]).timestamp() for row in committed]
    took = [late - early for early, late in pairwise(times)]
    print("s a round:", " ".join(f"{one:.1f}" for one in took))
    print("replies:", " ".join(str(row["replies"].get("train", 0)) for row in committed[1:]))
    print("last metrics:", run["last_metrics"])
    slow, path = slowest(meadow.url, run_id)
    print(f"the slowest page is {path}")
    return dict(zip(LIMITS, (median(took), memory.stop(), slow, spent * 1000 / rounds / given.clients), strict=True))


def _online(http: httpx.Client) -> int:
    return sum(one["state"] == "online" for one in http.get("/api/clients").json()["items"])


def _run(http: httpx.Client, run_id: int) -> dict[str, Any]:
    time.sleep(0.2)  # what is asked of the server is work that it does not do for the round
    return dict(http.get(f"/api/runs/{run_id}").json())


def _family(meadow: Meadow) -> list[int]:
    server = psutil.Process(meadow.running.pid)
    return [server.pid, *(one.pid for one in server.children())]


def main() -> int:
    """Measure and print; 1 where a figure is over its limit."""
    parser = argparse.ArgumentParser(description="Measure a run of many simulated clients.")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--dataset", default="fashion_mnist")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--no-kill", action="store_true", help="kill no process; only then CPU time is measured")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="meadow-many-") as name:
        meadow = make_meadow(Path(name), "--log-level", "warning")
        try:
            meadow.start()
            figures = measure(meadow, given)
        finally:
            meadow.kill()
    if not given.no_kill:  # what the killed process had spent is lost
        del figures["CPU ms of a client in a round"]
    for what, value in figures.items():
        print(f"{what}: {value:.4g}, limit {LIMITS[what]:.0f}{'' if value <= LIMITS[what] else ' (!)'}")
    return int(any(value > LIMITS[what] for what, value in figures.items()))


if __name__ == "__main__":
    sys.exit(main())
