"""What was measured, in lines to read and in JSON."""

import json
import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.plan import Size, Verdict
from benchmarks.timing import Series

HEAD = (
    f"{'':<12}{'':<13}{'wall':>10}{'median':>10}{'least':>10}{'server':>9}{'client':>9}{'memory':>9}   ms a round; MB"
)


class Report:
    """Gathers figures; prints each as it comes."""

    def __init__(self) -> None:
        self.series: list[dict[str, Any]] = []
        self.figures: dict[str, dict[str, float]] = {}
        self.verdicts: list[Verdict] = []

    def head(self) -> None:
        """Say what the columns are: wall, median, least; CPU of the server and of all clients; memory over idle."""
        print(HEAD)

    def add_series(self, size: Size, series: Series) -> None:
        """Take the turns of one contender at one size."""
        self.series.append({"size": asdict(size), "contender": series.name, **series.to_json()})
        grown = max(turn.peak_bytes - turn.idle_bytes for turn in series.turns) / 1e6
        print(f"{size!s:<12}{series.name:<13}{series.wall_ms:>10.2f}{series.median_ms:>10.2f}{series.least_ms:>10.2f}"
              f"{series.of('cpu_ms'):>9.2f}{series.of('client_cpu_ms'):>9.2f}{grown:>9.0f}", flush=True)  # fmt: skip

    def add_figures(self, name: str, figures: dict[str, float]) -> None:
        """Take figures under one name."""
        self.figures[name] = {key: round(value, 4) for key, value in figures.items()}
        print(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()), flush=True)

    def judge(self, what: str, value: float, limit: float, *, at_least: bool = False) -> None:
        """Take one thing that must hold."""
        self.verdicts.append(Verdict(what, value, limit, at_least))

    def finish(self, path: Path) -> bool:
        """Print what holds, write all as JSON, and say whether everything holds."""
        print()
        for verdict in self.verdicts:
            print(verdict)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({
            "machine": machine(), "series": self.series, "figures": self.figures,
            "verdicts": [{**asdict(verdict), "holds": verdict.holds} for verdict in self.verdicts],
        }, indent=1) + "\n")  # fmt: skip
        print(f"\n{path}")
        return all(verdict.holds for verdict in self.verdicts)


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit.stdout.strip(),
        "cpus": os.cpu_count(), "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(), "numpy": np.__version__,
        **{name: version(name) for name in ("flwr", "uvicorn", "websockets", "grpcio")},
    }  # fmt: skip
