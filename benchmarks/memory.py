"""What a run adds to the memory of the idle server."""

from pathlib import Path

from benchmarks.meadow import MeadowFederation
from benchmarks.plan import MEGA, MEMORY_BYTES, MEMORY_MODELS
from benchmarks.processes import Children
from benchmarks.report import Report

PARAMETERS, ROUNDS = 10 * MEGA, 2


def memory(folder: Path, counts: tuple[int, ...], report: Report) -> None:
    """Measure the peak over a short run of 10 M parameters, in a server that has just started."""
    allowed = MEMORY_MODELS * 4 * PARAMETERS + MEMORY_BYTES
    for clients in counts:
        for strategy in ("FedAvg", "FedProx"):
            with Children(folder) as children:
                meadow = MeadowFederation(folder / f"memory-{clients}-{strategy}", children, clients)
                try:
                    timing = meadow.work(PARAMETERS, ROUNDS, strategy=strategy)
                finally:
                    meadow.close()
            grown = (timing.peak_bytes - timing.idle_bytes) / 1e6
            report.add_figures(f"memory_{strategy}_{clients}_clients", {
                "idle_mb": timing.idle_bytes / 1e6, "peak_mb": timing.peak_bytes / 1e6, "grown_mb": grown,
            })  # fmt: skip
            report.judge(f"{strategy}, {clients} × 10 M: MB over the idle server", grown, allowed / 1e6)
