"""``python -m benchmarks.soak``: 200 rounds while a client is killed and started again every few seconds.

A dashboard and three clients as real processes, two needed for a round; an event stream is read all along. What must
hold: the run completes, every round is committed once and told once, and threads, descriptors and memory of the
dashboard stay where they were. Exit codes: 0 it holds, 1 it does not.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.processes import Meadow, RealProcess, make_meadow, wait_until

NAMES = ("site-a", "site-b", "site-c")
WARM_ROUNDS = 20
"""By then every pool of threads and every cache has been used."""

MORE_THREADS, MORE_DESCRIPTORS, MORE_BYTES = 4, 8, 24_000_000
"""So much more than at the start still counts as flat: a connection or a request may be under way."""


@dataclass(frozen=True)
class Sample:
    """What the dashboard's process holds at one moment."""

    round: int
    threads: int
    descriptors: int
    rss_bytes: int

    @classmethod
    def of(cls, meadow: Meadow, number: int) -> "Sample":
        """Look at the process now."""
        process = psutil.Process(meadow.running.pid)
        return cls(number, process.num_threads(), process.num_fds(), process.memory_info().rss)

    def __str__(self) -> str:
        return (
            f"round {self.round:>4}: {self.threads:>3} threads, {self.descriptors:>3} descriptors, "
            f"{self.rss_bytes / 1e6:6.1f} MB"
        )


class Listener:
    """Reads a run's event stream in a thread and counts the rounds that it tells of."""

    def __init__(self, url: str) -> None:
        self.told: Counter[int] = Counter()
        self._url = url
        self._thread = threading.Thread(target=self._read, name="listener", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for the stream's end."""
        self._thread.join(seconds)

    def _read(self) -> None:
        with httpx.stream("GET", self._url, timeout=None, trust_env=False) as answer:
            event = ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                event = value if name == "event" else event
                if name == "data" and event == "round" and (data := json.loads(value))["committed"]:
                    self.told[data["round"]] += 1


class Soak:
    """One dashboard, its clients, and a seeded hand that kills one of them now and then."""

    def __init__(self, folder: Path, rounds: int, every_seconds: float, seed: int) -> None:
        self._rounds, self._every, self._dice = rounds, every_seconds, random.Random(seed)
        self._meadow = make_meadow(folder, "--log-level", "warning")
        self._clients = [self._client(folder, name) for name in NAMES]
        self.kills = 0

    def _client(self, folder: Path, name: str) -> RealProcess:
        command = ["-m", "federation.client", "--server", self._meadow.flower_address, "--name", name,
                   "--dataset", "synthetic", "--identity", str(folder / f"{name}.json")]  # fmt: skip
        return RealProcess(command, folder / f"{name}.log")

    def run(self) -> list[str]:
        """Play it; return what does not hold."""
        try:
            self._meadow.start()
            for client in self._clients:
                client.start()
            with httpx.Client(base_url=self._meadow.url, trust_env=False, timeout=30) as self._http:
                return self._play()
        finally:
            for process in (*self._clients, self._meadow):
                process.kill()

    def _play(self) -> list[str]:
        wait_until(lambda: self._online() == len(NAMES), 60, "all clients are online")
        body = {"network": "synthetic", "dataset": "synthetic", "num_rounds": self._rounds, "seed": 7,
                "synthetic_seconds": 0.2, "synthetic_parameters": 100_000}  # fmt: skip
        run_id = self._http.post("/api/runs", json=body).raise_for_status().json()["id"]
        listener = Listener(f"{self._meadow.url}/api/runs/{run_id}/events?after=0")
        samples = self._disturb(run_id)
        listener.wait(20)
        run = self._http.get(f"/api/runs/{run_id}").json()
        numbers = [item["round"] for item in self._http.get(f"/api/runs/{run_id}/rounds?limit=1000").json()["items"]]
        return self._judge(run, numbers, listener.told, samples)

    def _disturb(self, run_id: int) -> list[Sample]:
        """Kill and start clients until the run is over; look at the dashboard three times meanwhile."""
        samples: list[Sample] = []
        moments = [WARM_ROUNDS, self._rounds // 2, self._rounds]
        kill_at = time.monotonic() + self._every
        deadline = time.monotonic() + 10 * self._rounds
        while True:
            run = self._http.get(f"/api/runs/{run_id}").json()
            if len(samples) < len(moments) and run["current_round"] >= moments[len(samples)]:
                samples.append(Sample.of(self._meadow, run["current_round"]))
                print(samples[-1], flush=True)
            if run["state"] not in ("queued", "waiting", "running") or time.monotonic() > deadline:
                return samples
            if time.monotonic() > kill_at:
                kill_at = time.monotonic() + self._every * self._dice.uniform(0.5, 1.5)
                self._kill_one()
            time.sleep(0.1)

    def _kill_one(self) -> None:
        client = self._dice.choice(self._clients)
        client.kill()
        client.start()
        self.kills += 1

    def _online(self) -> int:
        return sum(one["state"] == "online" for one in self._http.get("/api/clients").json()["items"])

    def _judge(self, run: dict[str, Any], numbers: list[int], told: Counter[int], samples: list[Sample]) -> list[str]:
        expected = list(range(self._rounds + 1))
        wrong = []
        if run["state"] != "completed":
            wrong.append(f"the run is {run['state']} after round {run['current_round']}: {run['reason']}")
        if numbers != expected:
            doubled = sorted(n for n, count in Counter(numbers).items() if count > 1)
            wrong.append(f"rounds lost: {sorted(set(expected) - set(numbers))}, doubled: {doubled}")
        if told != Counter(expected):
            wrong.append(f"rounds not told once: {sorted(n for n in expected if told[n] != 1)}")
        if self.kills < self._rounds // 20:
            wrong.append(f"only {self.kills} clients were killed")
        if len(samples) == 3:
            start, _, end = samples
            wrong += [
                f"{what} grew from {before} to {after}"
                for what, before, after, more in (
                    ("threads", start.threads, end.threads, MORE_THREADS),
                    ("descriptors", start.descriptors, end.descriptors, MORE_DESCRIPTORS),
                    ("memory", start.rss_bytes, end.rss_bytes, MORE_BYTES),
                )
                if after > before + more
            ]
        return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, print what was seen, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two kills, on average")
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="meadow-soak-") as folder:
        soak = Soak(Path(folder), given.rounds, given.every, given.seed)
        began = time.monotonic()
        wrong = soak.run()
    print(f"{given.rounds} rounds in {time.monotonic() - began:.0f} s, {soak.kills} clients killed and started again")
    print(*(f"DOES NOT HOLD: {sentence}" for sentence in wrong), sep="\n", end="\n" if wrong else "")
    if not wrong:
        print("no committed round lost, doubled or told twice; threads, descriptors and memory flat")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
