"""What it costs to write a round down: the recorder over a database file, with replies as a round tells them."""

import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.plan import RECORDING_MS, RECORDING_MS_A_CLIENT
from tests.support.books import Books

CLIENTS, ROUNDS = (2, 10, 50, 200), 40


def measure_recording(folder: Path) -> dict[str, float]:
    """Return ms a round and ms a client of a line through the medians, and the worst part of what is allowed."""
    medians = {clients: _median_ms(folder / str(clients), clients) for clients in CLIENTS}
    a_client, a_round = np.polyfit(list(medians), list(medians.values()), 1)
    worst = max(ms / (RECORDING_MS + RECORDING_MS_A_CLIENT * clients) for clients, ms in medians.items())
    return {
        "ms_a_round": float(a_round), "ms_a_client": float(a_client), "worst_part_of_limit": worst,
        **{f"ms_with_{clients}_clients": ms for clients, ms in medians.items()},
    }  # fmt: skip


def _median_ms(folder: Path, clients: int) -> float:
    folder.mkdir(parents=True)
    books = Books(f"sqlite:///{folder / 'meadow.db'}", folder / "runs")
    ids = books.add_clients(*(f"client-{i}" for i in range(clients)))
    run_id, times = books.start_run(num_rounds=ROUNDS), []
    for number in range(ROUNDS):
        begin = time.perf_counter()
        books.play_round(run_id, number, ids, loss=1.0 / (1 + number), accuracy=0.5)
        times.append((time.perf_counter() - begin) * 1000)
    books.close()
    return median(times)
