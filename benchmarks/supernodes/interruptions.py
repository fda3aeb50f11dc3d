"""``python -m benchmarks.supernodes.interruptions``: SuperNodes are interrupted in the middle of messages, 20 times.

Two stock SuperNodes over TLS, one needed for a round. In turn one of them is killed with SIGKILL and started again,
stands still for a minute (SIGSTOP, with all that it started), or is ended and started again. What must hold: the run
goes on, no round is lost, a round lacks at most the interrupted SuperNode's reply, and memory, objects and descriptors
of the dashboard stay where they were. Exit codes: 0 it holds, 1 it does not.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.supernodes.nodes import NodeFederation, StockNode
from tests.support.processes import wait_until

KINDS = ("kill", "stand still", "restart")
WARM_ROUNDS, MANY_ROUNDS = 4, 10_000
MORE_DESCRIPTORS, MORE_BYTES = 8, 24_000_000
"""So much more than at the start still counts as flat: a request may be under way."""


@dataclass(frozen=True)
class Sample:
    """What the dashboard's process holds at one moment."""

    what: str
    descriptors: int
    rss_bytes: int
    objects: int

    @classmethod
    def of(cls, federation: NodeFederation, what: str) -> "Sample":
        """Look at the process now."""
        process = psutil.Process(federation.meadow.running.pid)
        return cls(what, process.num_fds(), process.memory_info().rss, federation.objects())

    def __str__(self) -> str:
        return (
            f"{self.what:<28} {self.descriptors:>3} descriptors, {self.rss_bytes / 1e6:6.1f} MB, {self.objects} objects"
        )


class Interruptions:
    """The SuperNodes of a run, and a seeded hand that interrupts one after the other."""

    def __init__(self, federation: NodeFederation, seed: int, still_seconds: float) -> None:
        self._federation, self._dice, self._still = federation, random.Random(seed), still_seconds
        self._ids: list[int] = []

    def play(self, times: int) -> list[str]:
        """Interrupt so many times; return what does not hold."""
        federation = self._federation
        run_id = federation.start_run(
            MANY_ROUNDS, 100_000, min_clients=1, synthetic_seconds=5.0, evaluate_every=4
        )  # long enough to be met in the middle
        self._await_round(run_id, WARM_ROUNDS)
        self._ids = self._ids_of_nodes()
        samples = [Sample.of(federation, "before")]
        print(samples[0], flush=True)
        for number in range(1, times + 1):
            kind, place = KINDS[number % len(KINDS)], self._dice.randrange(len(federation.nodes))
            self._await_task(self._ids[place])
            time.sleep(self._dice.uniform(0, 2))
            self._interrupt(federation.nodes[place], kind)
            self._await_round_of_both(run_id)
            samples.append(Sample.of(federation, f"{number}: {kind}, node {place}"))
            print(samples[-1], flush=True)
        federation.http.post(f"/api/runs/{run_id}/stop").raise_for_status()
        wait_until(lambda: not federation.objects(), 60, "no object is left")
        samples.append(Sample.of(federation, "after"))
        print(samples[-1], flush=True)
        return _judge(federation.rounds(run_id), samples, times)

    def _ids_of_nodes(self) -> list[int]:
        """Return the client of each SuperNode: its partition tells which one it is."""
        of_partition = {one["data"]["partition"]: one["id"] for one in self._federation.clients()}
        return [of_partition[node.partition] for node in self._federation.nodes]

    def _await_task(self, client_id: int) -> None:
        """Wait until the SuperNode has a task that it has not answered."""

        def works() -> bool:
            client = next(one for one in self._federation.clients() if one["id"] == client_id)
            return client["task"] not in (None, "sent")

        wait_until(works, 60, f"client {client_id} has a task")

    def _await_round(self, run_id: int, number: int) -> None:
        def there() -> bool:
            run = self._federation.run(run_id)
            assert run["state"] in ("queued", "waiting", "running"), (run["state"], run["reason"])
            return int(run["current_round"]) >= number

        wait_until(there, 300, f"round {number}")

    def _await_round_of_both(self, run_id: int) -> None:
        """Wait until a round that is not over yet has a reply of each SuperNode."""
        after = self._federation.run(run_id)["current_round"]

        def there() -> bool:
            rounds = self._federation.rounds(run_id)
            return any(row["round"] > after and row["replies"]["train"] == self._federation.count for row in rounds)

        wait_until(there, 300, f"a round of both SuperNodes after round {after}")

    def _interrupt(self, node: StockNode, kind: str) -> None:
        if kind == "kill":
            node.kill()
            node.start()
        elif kind == "stand still":
            node.signal_all(signal.SIGSTOP)
            time.sleep(self._still)
            node.signal_all(signal.SIGCONT)
        else:
            node.restart()


def _judge(rounds: list[dict[str, Any]], samples: list[Sample], times: int) -> list[str]:
    wrong, numbers = [], [row["round"] for row in rounds]
    if numbers != list(range(len(rounds))):
        wrong.append(f"rounds lost or doubled: {numbers}")
    short = [row["round"] for row in rounds[1:] if min(row["replies"].values()) < 2]
    print(f"{len(rounds)} rounds, {len(short)} of them lack a reply: {short}")
    if lost := [row["round"] for row in rounds if not min(row["replies"].values())]:
        wrong.append(f"rounds without any reply: {lost}")
    if len(short) > 4 * times:
        wrong.append(f"{len(short)} rounds lack a reply after {times} interruptions")
    start, end = samples[min(3, len(samples) - 1)], samples[-1]
    if end.descriptors > start.descriptors + MORE_DESCRIPTORS:
        wrong.append(f"descriptors grew from {start.descriptors} to {end.descriptors}")
    if end.rss_bytes > start.rss_bytes + MORE_BYTES:
        wrong.append(f"memory grew from {start.rss_bytes} to {end.rss_bytes}")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Interrupt, print what was seen, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.supernodes.interruptions", description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--still", type=float, default=60.0, help="seconds of SIGSTOP")
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="meadow-nodes-", ignore_cleanup_errors=True) as folder,
        NodeFederation(Path(folder), 2, tls=True) as federation,
    ):
        wrong = Interruptions(federation, given.seed, given.still).play(given.times)
    print(f"{given.times} interruptions in {time.monotonic() - began:.0f} s")
    print(*(f"DOES NOT HOLD: {sentence}" for sentence in wrong), sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
