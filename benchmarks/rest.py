"""How fast the REST API answers while a run is on."""

import time

import numpy as np

from benchmarks.meadow import MeadowFederation
from federation.run.states import ENDED

PAUSE_SECONDS = 0.03


def measure_rest(meadow: MeadowFederation, parameters: int, rounds: int) -> dict[str, float]:
    """Read what the pages read, one after the other, until the run is over; return ms."""
    run_id = meadow.start_run(parameters, rounds)
    paths = ("/api/runs", f"/api/runs/{run_id}", f"/api/runs/{run_id}/rounds", f"/api/runs/{run_id}/metrics",
             "/api/clients")  # fmt: skip
    times: list[float] = []
    state = ""
    while state not in ENDED:
        for path in paths:
            begin = time.perf_counter()
            answer = meadow.get(path)
            times.append((time.perf_counter() - begin) * 1000)
            state = answer["state"] if path == paths[1] else state
            time.sleep(PAUSE_SECONDS)
    assert state == "completed", state
    p50, p95 = np.percentile(times, [50, 95])
    return {"reads": len(times), "p50_ms": float(p50), "p95_ms": float(p95), "most_ms": max(times)}
