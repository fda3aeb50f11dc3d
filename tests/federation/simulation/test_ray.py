"""The processes of a simulation as Ray actors. Ray is an extra: where it is not installed, these tests say so."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.federation.client.test_own_model import ended
from tests.federation.simulation.conftest import Simulate, online
from tests.support.processes import ROOT, RealProcess, free_port, wait_until

pytest.importorskip("ray", reason="ray is not installed: pip install 'meadow[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

RAY = ("--launcher", "ray", "--dataset", "synthetic")
FROM_HERE = {"PYTHONPATH": str(ROOT)}
"""Ray starts its processes in folders of its own."""


@pytest.fixture
def cluster() -> Iterator[tuple[str, psutil.Process]]:
    """The address of a Ray cluster of one machine with two CPUs, and its first process."""
    address = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:  # short: it has sockets
        command = ["-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=2",
                   "--include-dashboard=false", "--disable-usage-stats", "--node-ip-address=127.0.0.1",
                   f"--port={address.partition(':')[2]}", f"--temp-dir={folder}"]  # fmt: skip
        head = RealProcess(command, Path(folder) / "ray.log", FROM_HERE)
        head.start()
        started = psutil.Process(head.running.pid)
        try:
            head.wait_for_output("Ray runtime started")
            yield address, started
        finally:
            family = started.children(recursive=True) if started.is_running() else []
            head.running.send_signal(signal.SIGTERM)
            for one in psutil.wait_procs(family, 20)[1]:
                one.kill()
            head.kill()


def hosts_on(process: psutil.Process) -> list[psutil.Process]:
    """Return the host processes below a process, by the time of their start."""
    family = [one for one in process.children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]
    found = [one for one in family if "federation.simulation.host" in one.cmdline()]
    return sorted(found, key=psutil.Process.create_time)


def test_ray_starts_an_actor_again_that_was_killed(
    cluster: tuple[str, psutil.Process], simulate: Simulate, http: httpx.Client
) -> None:
    address, head = cluster
    process = simulate(4, *RAY, "--processes", "2", "--ray-address", address, **FROM_HERE)
    clients = wait_until(lambda: online(http, 4), 90)
    assert [one["name"] for one in clients] == [f"sim-{number}" for number in range(1, 5)]
    config = {"network": "synthetic", "dataset": "synthetic", "synthetic_parameters": 1000, "num_rounds": 20,
              "min_clients": 4, "synthetic_seconds": 0.2}  # fmt: skip
    run_id = http.post("/api/runs", json=config).raise_for_status().json()["id"]
    wait_until(lambda: http.get(f"/api/runs/{run_id}").json()["current_round"] >= 2, 30)
    before = hosts_on(head)
    assert len(before) == 2
    actor = before[0].parent()
    assert actor is not None
    actor.kill()

    run = wait_until(lambda: ended(http, run_id), 120)
    assert run["state"] == "completed", run
    rounds = http.get(f"/api/runs/{run_id}/rounds").json()["items"]
    assert len(rounds) == 21 and rounds[-1]["replies"] == {"train": 4, "evaluate": 4}
    assert [one["id"] for one in wait_until(lambda: online(http, 4))] == [one["id"] for one in clients]
    left = hosts_on(head)
    assert len(left) == 2 and before[0].pid not in {one.pid for one in left}

    assert process.interrupt(40) == 0
    assert not psutil.wait_procs(left, 10)[1]


def test_a_ray_of_this_machine_ends_with_the_simulation(simulate: Simulate, http: httpx.Client) -> None:
    process = simulate(3, *RAY, "--processes", "3", "--ray-cpus", "0.1", **FROM_HERE)
    wait_until(lambda: online(http, 3), 90)
    family = psutil.Process(process.running.pid).children(recursive=True)
    assert len(hosts_on(psutil.Process(process.running.pid))) == 3
    assert process.interrupt(40) == 0
    assert not psutil.wait_procs(family, 15)[1]


def test_a_cluster_that_is_not_there_is_named(simulate: Simulate) -> None:
    address = f"127.0.0.1:{free_port()}"
    process = simulate(2, *RAY, "--ray-address", address, **FROM_HERE)
    assert process.wait(30) == 2
    assert address in process.output and "Traceback" not in process.output
