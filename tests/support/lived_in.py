"""A dashboard in the middle of its life: a run that is completed, one that is paused, two that are queued, clients."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.answers import nan_loss_in_round_1
from tests.support.dashboard import Dashboard, running
from tests.support.processes import wait_until

COMPLETED, PAUSED, QUEUED = 1, 2, 3
"""The ids of its runs."""


@contextmanager
def lived_in(folder: Path, **settings: Any) -> Iterator[Dashboard]:
    """Serve such a dashboard until the end of the block; it starts no simulated clients."""
    with running(folder, demo_clients=0, **settings) as dashboard, dashboard.stage() as stage:
        for count, name in enumerate(("site-a", "site-b"), 1):
            stage.add(name, nan_loss_in_round_1)
            dashboard.wait_for_clients(count)
        dashboard.wait_for_state(dashboard.start_run(name="completed"), "completed")
        paused = dashboard.start_run(num_rounds=100_000, name="paused")
        wait_until(lambda: dashboard.run(paused)["current_round"] > 2)
        assert dashboard.http.post(f"/api/runs/{paused}/pause").status_code == 202
        dashboard.wait_for_state(paused, "paused")
        for name in ("queued", "behind"):
            dashboard.start_run(name=name)
        yield dashboard
