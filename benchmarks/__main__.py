"""``python -m benchmarks``: Meadow, flwr's gRPC stream and the stock deployment side by side on this machine.

Exit codes: 0 all that must hold does, 1 something does not.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import duel, memory, stock
from benchmarks.aggregation import measure_aggregation
from benchmarks.floors import measure_floors
from benchmarks.meadow import MeadowFederation
from benchmarks.plan import (
    AGGREGATION,
    FULL,
    KILO,
    MEGA,
    QUICK,
    REST_P95_MS,
    SMOKE,
    STOCK_AGAINST_MEADOW,
    SUPERNODE_SECONDS,
    Size,
)
from benchmarks.processes import Children, wait_until
from benchmarks.recording import measure_recording
from benchmarks.report import Report
from benchmarks.simulation import flower
from benchmarks.supernodes.nodes import NodeFederation, seconds_of
from benchmarks.timing import Series, Timing
from federation.run.states import ENDED

PARTS = ("floors", "aggregation", "recording", "duel", "tls", "flatness", "crowd", "rest", "memory", "stock",
         "simulation")  # fmt: skip
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Measure what was asked for."""
    given = _arguments()
    sizes: tuple[Size, ...] = SMOKE if given.smoke else QUICK if given.quick else FULL
    if given.sizes:
        sizes = tuple(size for size in FULL if str(size).replace(" ", "").replace("×", "x") in given.sizes)
    report = Report()
    report.head()
    os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    with tempfile.TemporaryDirectory(prefix="meadow-bench-", ignore_cleanup_errors=True) as folder:
        parts = _parts(Path(folder), report, sizes, given)
        for name in given.only or PARTS:
            parts[name]()
    return 0 if report.finish(given.output) else 1


def _parts(
    folder: Path, report: Report, sizes: tuple[Size, ...], given: argparse.Namespace
) -> dict[str, Callable[[], None]]:
    counts = (2, 10) if given.quick or given.smoke else (2, 10, 50)
    return {
        "floors": lambda: report.add_figures("floors", measure_floors()),
        "aggregation": lambda: _aggregation(report),
        "recording": lambda: _recording(folder / "recording", report),
        "duel": lambda: duel.duel(folder, sizes, report),
        "tls": lambda: duel.tls(folder, sizes, report),
        "flatness": lambda: duel.flatness(folder, (2, 10, 50), report),
        "crowd": lambda: duel.crowd(folder, report),
        "rest": lambda: _rest(folder, report, 3 if given.smoke else 30),
        "memory": lambda: memory.memory(folder, counts[:2], report),
        "stock": lambda: _stock(folder, report, 1 if given.smoke else 3),
        "simulation": lambda: flower.measure(folder, report),
    }  # fmt: skip


def _aggregation(report: Report) -> None:
    for parameters in (MEGA, 10 * MEGA):
        figures = measure_aggregation(parameters)
        report.add_figures(f"aggregation_{parameters // MEGA}_m", figures)
        what = f"aggregation of 10 × {parameters // MEGA} M: time over numpy's weighted sum"
        report.judge(what, figures["ratio"], AGGREGATION)


def _recording(folder: Path, report: Report) -> None:
    figures = measure_recording(folder)
    report.add_figures("recording", figures)
    report.judge("recording: part of 3 ms a round + 0.1 ms a client, at worst", figures["worst_part_of_limit"], 1.0)


def _rest(folder: Path, report: Report, rounds: int) -> None:
    from benchmarks.rest import measure_rest

    with Children(folder) as children:
        meadow = MeadowFederation(folder / "rest", children, 10)
        try:
            figures = measure_rest(meadow, MEGA, rounds)
        finally:
            meadow.close()
    report.add_figures("rest", figures)
    report.judge("REST reads while 10 × 1 M run: p95 in ms", figures["p95_ms"], REST_P95_MS)


def _stock(folder: Path, report: Report, rounds: int) -> None:
    """Work Meadow right beside it, over stock SuperNodes and over its own clients: the ratio is of one moment."""
    size = Size(2, KILO, rounds, 1)
    with Children(folder) as children:
        theirs = Series("stock", [stock.work(folder / "stock", children, size.clients, size.parameters, rounds)])
    with Children(folder) as children:
        meadow = MeadowFederation(folder / "beside-stock", children, size.clients)
        try:
            ours = Series("Meadow", [meadow.work(size.parameters, 100) for _ in range(3)])
        finally:
            meadow.close()
    with NodeFederation(folder / "supernodes", size.clients) as nodes:
        run_id = nodes.start_run(max(rounds, 3), size.parameters)
        wait_until(lambda: nodes.run(run_id)["state"] in ENDED, 300, "the end of the run on SuperNodes")
        times = [1000 * seconds for seconds in seconds_of(nodes.rounds(run_id))]
    between = Series("SuperNodes", [Timing(times)])
    for series in (theirs, between, ours):
        report.add_series(size, series)
    report.judge("2 × 1 k on stock SuperNodes under Meadow: seconds a round", between.wall_ms / 1000, SUPERNODE_SECONDS)
    report.judge("2 × 1 k: the stock deployment over Meadow", theirs.wall_ms / ours.wall_ms, STOCK_AGAINST_MEADOW,
                 at_least=True)  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="only the sizes that are judged against gRPC")
    extent.add_argument("--full", action="store_true", help="every size: the default")
    extent.add_argument("--smoke", action="store_true", help="the smallest size, a few rounds")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be given again")
    parser.add_argument(
        "--sizes", action="append", metavar="2x1k", help="only this size of the duel; may be given again"
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "last.json", help="where the JSON goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
