"""Contenders side by side: both federations stay up, and take turns, so that a noisy machine is noisy for both."""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Protocol

from benchmarks.grpc_stream import GrpcFederation
from benchmarks.meadow import MeadowFederation
from benchmarks.plan import AGAINST_GRPC, CROWD, FLATNESS, KILO, REAL_CLIENTS, TLS_AGAINST_PLAIN, Size
from benchmarks.processes import Children
from benchmarks.report import Report
from benchmarks.timing import Series, Timing, ratio


class Contender(Protocol):
    """A federation that can be asked to work."""

    name: str

    def work(self, parameters: int, rounds: int) -> Timing:
        """Work so many rounds."""


def duel(folder: Path, sizes: Sequence[Size], report: Report) -> None:
    """Measure Meadow and the gRPC stream in all sizes."""
    for clients, group in groupby(sorted(sizes, key=lambda size: size.clients), key=lambda size: size.clients):
        with Children(folder) as children:
            meadow = MeadowFederation(folder / f"meadow-{clients}", children, clients)
            try:
                grpc = GrpcFederation(children, clients)
                for size in group:
                    measured, limit = _turns(size, meadow, grpc, report), AGAINST_GRPC.get(str(size))
                    if limit is not None:
                        report.judge(f"{size}: Meadow over the gRPC stream, wall time a round", measured, limit)
            finally:
                meadow.close()


def _turns(size: Size, one: Contender, other: Contender, report: Report) -> float:
    """Let both work in turns; return the ratio of their wall times a round."""
    pairs = [
        (one.work(size.parameters, size.rounds), other.work(size.parameters, size.rounds)) for _ in range(size.turns)
    ]
    ours, theirs = Series(one.name, [a for a, _ in pairs]), Series(other.name, [b for _, b in pairs])
    report.add_series(size, ours)
    report.add_series(size, theirs)
    return ratio(ours, theirs)


def tls(folder: Path, sizes: Sequence[Size], report: Report) -> None:
    """Measure Meadow with TLS between clients and server beside Meadow without, in the sizes of real clients."""
    sizes = sorted((size for size in sizes if size.clients <= REAL_CLIENTS), key=lambda size: size.clients)
    for clients, group in groupby(sizes, key=lambda size: size.clients):
        with Children(folder) as children, ExitStack() as stack:
            plain = MeadowFederation(folder / f"plain-{clients}", children, clients)
            stack.callback(plain.close)
            secure = MeadowFederation(folder / f"secure-{clients}", children, clients, tls=True)
            stack.callback(secure.close)
            for size in group:
                what = f"{size}: with TLS over without, wall time a round"
                report.judge(what, _turns(size, secure, plain, report), TLS_AGAINST_PLAIN)


def flatness(folder: Path, counts: Sequence[int], report: Report) -> None:
    """Measure what a client costs in a round, with light clients in every size, side by side."""
    with Children(folder) as children:
        federations = [MeadowFederation(folder / f"flat-{n}", children, n, light=True) for n in counts]
        try:
            turns = [[one.work(KILO, max(10, 200 // one.clients)) for one in federations] for _ in range(3)]
        finally:
            for one in federations:
                one.close()
    cost = {n: Series("light", [turn[i] for turn in turns]).wall_ms / n for i, n in enumerate(counts)}
    report.add_figures("cost_per_client_round_ms", {f"{n}_clients": ms for n, ms in cost.items()})
    report.judge(f"cost per client-round at {counts[-1]} clients over that at {counts[0]}",
                 cost[counts[-1]] / cost[counts[0]], FLATNESS)  # fmt: skip


def crowd(folder: Path, report: Report) -> None:
    """Let two hundred clients work ten rounds; every reply must count."""
    with Children(folder) as children:
        meadow = MeadowFederation(folder / "crowd", children, CROWD.clients)
        try:
            run_id = meadow.start_run(CROWD.parameters, CROWD.rounds)
            meadow.wait_end(run_id)
            rounds = meadow.rounds(run_id)
        finally:
            meadow.close()
    counted = sum(row["replies"].get("train", 0) + row["replies"].get("evaluate", 0) for row in rounds)
    expected = CROWD.clients * (2 * CROWD.rounds + 1)
    seconds = [row["seconds"] for row in rounds[1:]]
    report.add_figures("crowd", {"clients": CROWD.clients, "replies": counted, "expected": expected,
                                 "ms_a_round": sum(seconds) / len(seconds) * 1000})  # fmt: skip
    report.judge(f"{CROWD.clients} clients, {CROWD.rounds} rounds: replies lost", expected - counted, 0)
