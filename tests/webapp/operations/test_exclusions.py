"""A client that a person excludes or includes while the run is being started: the run's first round follows it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from federation.coordinator.supervisor import Job, Supervisor
from federation.run.config import RunConfig
from tests.support.dashboard import SYNTHETIC, Dashboard, running
from tests.support.light_client import LightClient
from webapp.operations.clients import Clients
from webapp.operations.recorder import Recorder
from webapp.operations.runs import Runs
from webapp.operations.steering import Steering


class MeanwhileRuns(Runs):
    """Calls ``meanwhile`` once, when a run is chosen to start and has not been started."""

    meanwhile: Callable[[int], object] | None = None

    def next_queued(self) -> Job | None:
        job, act = super().next_queued(), self.meanwhile
        if job is not None and act is not None:
            self.meanwhile = None
            act(job.run_id)
        return job


@dataclass
class Scene:
    """Two clients, and runs of a supervisor of the test's own, beside that of the dashboard, which has none."""

    dashboard: Dashboard
    runs: MeanwhileRuns
    steering: Steering
    clients: Clients
    light: list[LightClient] = field(default_factory=list)

    def trained(self, meanwhile: Callable[[int], object], min_clients: int) -> list[bool]:
        """Return which clients train in a run, if something is done while it is being started."""
        self.runs.meanwhile = meanwhile
        run_id = self.runs.create(RunConfig(**SYNTHETIC, num_rounds=1, min_clients=min_clients)).id  # type: ignore[arg-type]
        self.dashboard.wait_for_state(run_id, "completed")
        return [any(task.run_id == run_id for task in client.tasks) for client in self.light]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with running(tmp_path) as dashboard, dashboard.stage() as stage:
        parts = dashboard.parts
        light = [stage.add("site-a")]
        dashboard.wait_for_clients(1)
        light.append(stage.add("site-b"))
        dashboard.wait_for_clients(2)
        recorder = Recorder(parts.database, parts.event_hub.publish_progress)
        runs = MeanwhileRuns(parts.database, recorder, parts.deletion, "evaluate_accuracy")
        supervisor = Supervisor(lane=parts.flower.lane, ledger=runs, folder=tmp_path / "own" / "runs")
        runs.supervise(supervisor)
        supervisor.start()
        clients = Clients(parts.database, parts.event_hub)
        clients.attach_supervisor(supervisor)
        try:
            yield Scene(dashboard, runs, Steering(parts.database, supervisor), clients, light)
        finally:
            assert supervisor.shutdown()


def test_a_client_excluded_while_the_run_is_started_gets_no_task(scene: Scene) -> None:
    assert scene.trained(lambda run_id: scene.steering.exclude_client(run_id, 2), 1) == [True, False]
    assert scene.trained(lambda _: scene.clients.exclude(2), 1) == [True, False]


def test_a_client_included_while_the_run_is_started_takes_part(scene: Scene) -> None:
    scene.clients.exclude(2)
    assert scene.trained(lambda _: scene.clients.include(2), 2) == [True, True]

    def exclude_and_include(run_id: int) -> None:
        scene.steering.exclude_client(run_id, 2)
        scene.steering.include_client(run_id, 2)

    assert scene.trained(exclude_and_include, 2) == [True, True]
