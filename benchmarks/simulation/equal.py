"""Ten virtual clients in one process, in three, and ten processes: ``python -m benchmarks.simulation.equal``.

The same run with the same seed must end with weights that differ by 1e-6 at most: the running mean adds updates as they
arrive, so the last bits may differ. Ten processes take about 7 GB.
"""

import io
import sys
import tempfile
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import Children, wait_until
from federation.run.states import ENDED
from tests.support.processes import make_meadow

CLIENTS, MOST = 10, 1e-6
WAYS = {"one process": 1, "three processes": 3, "ten clients": None}
CONFIG = {"dataset": "digits", "network": "mlp", "num_rounds": 3, "min_clients": CLIENTS, "seed": 5}


def learned(folder: Path, processes: int | None) -> NDArray[np.float32]:
    """Work the run with so many simulation processes, or with a process for each client; return the weights."""
    folder.mkdir()
    meadow = make_meadow(folder, "--log-level", "warning")
    try:
        meadow.start()
        with httpx.Client(base_url=meadow.url, trust_env=False, timeout=60) as http, Children(folder) as children:
            if processes is not None:
                body = {"count": CLIENTS, "processes": processes}
                http.post("/api/demo-clients", json=body).raise_for_status()
            for part in range(CLIENTS if processes is None else 0):
                children.module(
                    f"client-{part}", "federation.client", "--server", meadow.flower_address, "--name",
                    f"client-{part:02d}", "--partition", str(part), "--partitions", str(CLIENTS),
                    "--identity", str(folder / f"client-{part}.json"),
                )  # fmt: skip
            wait_until(lambda: _online(http) == CLIENTS, 300, "all clients online")
            run_id = http.post("/api/runs", json=CONFIG).raise_for_status().json()["id"]
            wait_until(lambda: http.get(f"/api/runs/{run_id}").json()["state"] in ENDED, 300, "the end of the run")
            run = http.get(f"/api/runs/{run_id}").json()
            assert run["state"] == "completed", run["reason"]
            model = http.get(f"/api/runs/{run_id}/model").raise_for_status().content
    finally:
        meadow.kill()
    with np.load(io.BytesIO(model)) as arrays:
        return np.concatenate([arrays[name].ravel() for name in arrays.files])


def _online(http: httpx.Client) -> int:
    return sum(one["state"] == "online" for one in http.get("/api/clients").json()["items"])


def main() -> int:
    """Compare and print; 1 where weights differ by more."""
    with tempfile.TemporaryDirectory(prefix="meadow-equal-") as name:
        found = [learned(Path(name) / what.replace(" ", "-"), processes) for what, processes in WAYS.items()]
    differences = [float(np.abs(weights - found[0]).max()) for weights in found]
    for what, difference in zip(WAYS, differences, strict=True):
        print(f"{what:>16}: differs from the first by {difference:.2g} at most")
    return int(max(differences) > MOST)


if __name__ == "__main__":
    sys.exit(main())
