"""flwr's own simulation as a contender: ``run_simulation`` in a process of its own, and Meadow's virtual clients.

    python -m benchmarks.simulation.flower CLIENTS PARAMETERS ROUNDS CPUS RESULT

writes the milliseconds of each round as JSON. It needs ray. Flower gives each client two CPUs unless told otherwise, so
that one actor works on two cores. Meadow is judged by the faster one: one CPU a client, two actors.
"""

import importlib.util
import json
import os
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.meadow import MeadowFederation
from benchmarks.plan import SIMULATED, SIMULATION_AGAINST_FLOWER
from benchmarks.processes import ROOT, Children
from benchmarks.report import Report
from benchmarks.timing import Series, Timing

APP = "benchmarks.stock_app.stockapp.client:app"
RUN_SECONDS = 300
CONTENDERS = {"flwr, 1 CPU": 1, "flwr, 2 CPUs": 2}
"""``run_simulation`` with so many CPUs for each client; two is its default. Meadow is judged by the first."""


def measure(folder: Path, report: Report) -> None:
    """Work the same rounds with the same ClientApp in both, one after the other."""
    if importlib.util.find_spec("ray") is None:
        print("simulation: ray is not installed, so flwr's simulation is not measured", flush=True)
        return
    size = SIMULATED
    with Children(folder) as children:
        theirs = [Series(name, [_run_simulation(folder, children, cpus)]) for name, cpus in CONTENDERS.items()]
    with Children(folder) as children:
        meadow = MeadowFederation(folder / "simulation", children, size.clients, app=APP)
        try:
            ours = Series("Meadow", [meadow.work(size.parameters, size.rounds)])
        finally:
            meadow.close()
    for series in (*theirs, ours):
        report.add_series(size, series)
    report.judge(f"{size} virtual: Meadow over flwr's run_simulation, wall time a round",
                 ours.wall_ms / theirs[0].wall_ms, SIMULATION_AGAINST_FLOWER)  # fmt: skip
    print(f"with flwr's default, two CPUs a client: {ours.wall_ms / theirs[1].wall_ms:.2f}", flush=True)


def _run_simulation(folder: Path, children: Children, cpus: int) -> Timing:
    """Return the times of the rounds but the first, in which actors start."""
    name = f"flower-simulation-{cpus}"
    result = folder / f"{name}.json"
    arguments = map(str, (SIMULATED.clients, SIMULATED.parameters, SIMULATED.rounds + 1, cpus, result))
    process = children.module(name, "benchmarks.simulation.flower", *arguments, env=_environment(folder))
    code = process.wait(RUN_SECONDS)
    assert code == 0 and result.exists(), children.said(name)
    return Timing(json.loads(result.read_text())[1:])


def _environment(folder: Path) -> dict[str, str]:
    more = {"FLWR_HOME": str(folder / "flower-home"), "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **more}


def main(clients: int, parameters: int, rounds: int, cpus: int, result: Path) -> None:
    """Work the rounds with flwr's ``run_simulation`` and write their milliseconds."""
    import numpy as np
    from flwr.app import ArrayRecord, Context
    from flwr.serverapp import Grid, ServerApp
    from flwr.simulation import run_simulation

    from benchmarks.stock_app.stockapp.client import app
    from benchmarks.stock_app.stockapp.server import TimedFedAvg

    server = ServerApp()
    strategy = TimedFedAvg(min_train_nodes=clients, min_evaluate_nodes=clients, min_available_nodes=clients)

    @server.main()
    def serve(grid: Grid, _: Context) -> None:
        strategy.ends = [time.monotonic()]
        arrays = ArrayRecord([np.zeros(parameters, np.float32)])
        strategy.start(grid=grid, initial_arrays=arrays, num_rounds=rounds)

    resources: dict[str, Any] = {"client_resources": {"num_cpus": cpus, "num_gpus": 0.0}}
    run_simulation(server, app, num_supernodes=clients, backend_config=resources)
    assert len(strategy.ends) == rounds + 1, "a round failed"
    result.write_text(json.dumps([(late - early) * 1000 for early, late in pairwise(strategy.ends)]))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
