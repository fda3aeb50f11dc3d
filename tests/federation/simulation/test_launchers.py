"""The processes of a simulation on a cluster: each task of it starts one share of the clients."""

import inspect
import os
import signal
import subprocess
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from federation.simulation.__main__ import simulate as simulate_command
from federation.simulation.launchers.gpus import CONTEXT_MB, NoGpu, on_gpus
from federation.simulation.plan import Member, Plan
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


def nvidia_smi(folder: Path, *memories: int) -> str:
    """Write a program that lists GPUs as NVIDIA's own does; return a PATH with it."""
    rows = "".join(f"{index}, GPU-{index}a, {memory}\n" for index, memory in enumerate(memories))
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '{rows}'\n")
    program.chmod(0o700)
    return f"{folder}:{os.environ['PATH']}"


def shares(processes: int) -> list[Plan]:
    members = tuple(Member(number, number - 1) for number in range(1, processes + 1))
    plan = Plan(host="h", port=1, prefix="sim", digits=2, members=members, partitions=processes, secret="0" * 64)
    return plan.shares(processes)


def test_processes_share_the_gpus_that_they_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", nvidia_smi(tmp_path, 16_000, 40_000))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [one.gpu for one in on_gpus(shares(3), 0.5)] == [
        ("GPU-0a", 8_000 - CONTEXT_MB), ("GPU-1a", 20_000 - CONTEXT_MB), ("GPU-0a", 8_000 - CONTEXT_MB)
    ]  # fmt: skip
    with pytest.raises(NoGpu, match=r"5 processes with 0\.5 of a GPU each need 3 GPUs, here are 2"):
        on_gpus(shares(5), 0.5)
    with pytest.raises(NoGpu, match="less than the"):
        on_gpus(shares(1), 0.01)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [one.gpu for one in on_gpus(shares(2), 0.25)] == [("1", 10_000 - CONTEXT_MB)] * 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(NoGpu, match="lists none"):
        on_gpus(shares(1), 1)


def test_a_process_is_told_its_gpu_and_how_much_of_it(simulate: Simulate, http: httpx.Client, tmp_path: Path) -> None:
    process = simulate(2, "--gpu-fraction", "0.25", PATH=nvidia_smi(tmp_path, 40_000), CUDA_VISIBLE_DEVICES="0")
    process.wait_for_output(f"GPU 0, at most {10_000 - CONTEXT_MB} MiB of its memory")
    wait_until(lambda: online(http, 2), 60)
    assert process.interrupt() == 0
    refused = simulate(2, "--gpu-fraction", "0.25", "--dataset", "synthetic")
    assert refused.wait(30) == 2 and "--launcher ray" in refused.output
