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

COLUMNS = ("wall", "median", "least", "server", "clients", "memory", "down + up")
"""ms a round: wall, median, least, CPU of the server and of all clients; MB over idle; kB a client and round."""


class Report:
    """Gathers figures; prints each as it comes."""

    def __init__(self) -> None:
        self.series: list[dict[str, Any]] = []
        self.figures: dict[str, dict[str, float]] = {}
        self.verdicts: list[Verdict] = []

    def head(self) -> None:
        """Say what the columns are."""
        print(" " * 25 + "".join(f"{name:>10}" for name in COLUMNS[:-1]) + f"{COLUMNS[-1]:>15}")

    def add_series(self, size: Size, series: Series) -> None:
        """Take the turns of one contender at one size."""
        self.series.append({"size": asdict(size), "contender": series.name, **series.to_json()})
        grown = max(turn.peak_bytes - turn.idle_bytes for turn in series.turns) / 1e6
        figures = (series.wall_ms, series.median_ms, series.least_ms, series.of("cpu_ms"), series.of("client_cpu_ms"))
        row = "".join(f"{figure:>10.2f}" for figure in figures)
        print(f"{size!s:<12}{series.name:<13}{row}{grown:>10.0f}{_kilobytes(series):>15}", flush=True)

    def add_figures(self, name: str, figures: dict[str, float]) -> None:
        """Take figures under one name."""
        self.figures[name] = {key: round(value, 4) for key, value in figures.items()}
        print(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()), flush=True)

    def judge(self, what: str, value: float, limit: float, *, at_least: bool = False) -> None:
        """Take one thing that must hold."""
        self.verdicts.append(Verdict(what, value, limit, at_least))

    def _compare_with_the_wire(self) -> None:
        """Say how long a round's bytes take over loopback at full speed, and what part of the round that is."""
        loopback = self.figures.get("floors", {}).get("loopback_gb_per_second")
        for one in self.series:
            if loopback and one["bytes_down"]:
                one["wire_ms"] = one["size"]["clients"] * (one["bytes_down"] + one["bytes_up"]) / loopback / 1e6
                part = one["wire_ms"] / one["wall_ms"]
                print(f"{Size(**one['size'])!s:<12}{one['wire_ms']:.3f} ms on the wire, {part:.1%} of the round")

    def finish(self, path: Path) -> bool:
        """Print what holds, write all as JSON, and say whether everything holds."""
        self._compare_with_the_wire()
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


def _kilobytes(series: Series) -> str:
    down, up = series.of("bytes_down") / 1000, series.of("bytes_up") / 1000
    return f"{down:.0f} + {up:.0f}" if down else "-"


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit.stdout.strip(),
        "cpus": os.cpu_count(), "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(), "numpy": np.__version__,
        **{name: version(name) for name in ("flwr", "uvicorn", "websockets", "grpcio")},
    }  # fmt: skip
