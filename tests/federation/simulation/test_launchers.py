"""The processes of a simulation on a cluster: each task of it starts one share of the clients."""

import inspect
import os
import signal
import subprocess
from pathlib import Path

import httpx
import psutil
import yaml

from federation.simulation.__main__ import simulate as simulate_command
from tests.federation.simulation.conftest import Simulate, online
from tests.support.processes import ROOT, wait_until


def test_the_printed_slurm_script_starts_every_share(simulate: Simulate, http: httpx.Client, tmp_path: Path) -> None:
    printed = simulate(5, "--processes", "2", "--dataset", "synthetic", "--launcher", "slurm", "--name", "s")
    assert printed.wait(30) == 0
    assert {"#SBATCH --ntasks=2", "#SBATCH --job-name=meadow-s"} <= set(printed.output.splitlines())
    (tmp_path / "job.sh").write_text(printed.output)
    srun = tmp_path / "srun"  # as Slurm's own: each task runs the command, with its number
    srun.write_text('#!/bin/bash\nshift\nfor SLURM_PROCID in 0 1; do export SLURM_PROCID; "$@" & done; wait\n')
    srun.chmod(0o700)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    job = subprocess.Popen(["bash", str(tmp_path / "job.sh")], env=environment, cwd=ROOT, start_new_session=True)
    try:
        clients = wait_until(lambda: online(http, 5), 60)
        assert [one["name"] for one in clients] == [f"s-{number}" for number in range(1, 6)]
        assert [one["data"]["partition"] for one in clients] == list(range(5))
        tasks = [one for one in psutil.Process(job.pid).children(recursive=True) if "--share" in one.cmdline()]
        assert sorted(one.cmdline()[-1] for one in tasks) == ["0", "1"]
    finally:
        os.killpg(job.pid, signal.SIGTERM)
        job.wait(20)
    wait_until(lambda: online(http, 0) == [] and not psutil.wait_procs(tasks, 0)[1])


def test_the_manifest_for_kubernetes_starts_every_share() -> None:
    job = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "simulation.yaml").read_text())["spec"]
    container = job["template"]["spec"]["containers"][0]
    assert container["command"] == ["python", "-m", "federation.simulation"]
    given = dict(argument.split("=", 1) for argument in container["args"])
    assert given.keys() <= {f"--{name.replace('_', '-')}" for name in inspect.signature(simulate_command).parameters}
    assert job["completionMode"] == "Indexed" and int(given["--processes"]) == job["completions"] == job["parallelism"]


def test_a_share_that_does_not_exist_is_refused(simulate: Simulate) -> None:
    process = simulate(2, "--processes", "2", "--share", "2", "--dataset", "synthetic")
    assert process.wait(30) == 2
