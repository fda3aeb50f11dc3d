"""``python -m benchmarks.niid``: two rows of NIID-Bench (Li, Diao, Chen and He 2022, arXiv:2102.02079), by Meadow.

Fashion-MNIST, FedAvg, 10 parties, 50 rounds, 10 local epochs, batches of 64, SGD 0.01 with momentum 0.9 and weight
decay 1e-5, the paper's small CNN (here ``lenet``), each setting as an experiment of 3 seeds over 10 simulated clients.
When a run has ended, a child process evaluates its final model on the whole test split of 10,000 images. Printed beside
the published accuracy: each of the runs, mean and standard deviation over the seeds (n - 1).

What differs from the paper's code: Keras's initial weights (Glorot, zero biases); noise that is drawn once a client,
not at each access, with σ·i/N as in the text of the paper. Exit codes: 0 it ran, 1 a run failed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.processes import ROOT, Children, wait_until
from federation.learning.data.datasets import load
from federation.learning.networks.building import build
from federation.learning.spec import published_spec
from federation.run.networks import Dataset, Network
from tests.support.processes import make_meadow

PARTIES, BATCH = 10, 500
DATASET: Dataset = "fashion_mnist"
NETWORK: Network = "lenet"
COMMON: dict[str, Any] = {
    "network": NETWORK, "dataset": DATASET, "strategy": "FedAvg", "min_clients": PARTIES, "local_epochs": 10,
    "batch_size": 64, "optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-5,
    "round_timeout_seconds": 3600,
}  # fmt: skip
SETTINGS: dict[str, tuple[str, dict[str, Any], str]] = {
    "dirichlet": ("Dirichlet 0.5", {"partitioner": "dirichlet", "dirichlet_alpha": 0.5}, "88.1 ± 0.6"),
    "noise": ("IID, Gaussian noise 0.1", {"partitioner": "iid", "feature_noise": 0.1}, "89.1 ± 0.3"),
}
"""Words, options of the run and the published accuracy in percent (table III, FedAvg), by name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the settings, print a line for each; or evaluate one model."""
    given = _arguments(arguments)
    if given.evaluate is not None:
        sys.stdout.write(json.dumps(_accuracy(given.evaluate)) + "\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="meadow-niid-", ignore_cleanup_errors=True) as folder:
        meadow = make_meadow(Path(folder), "--log-level", "warning")
        try:
            meadow.start()
            with Children(Path(folder)) as children, httpx.Client(
                base_url=meadow.url, trust_env=False, timeout=60
            ) as http:  # fmt: skip
                children.module(
                    "clients", "federation.simulation", "--server", meadow.flower_address, "--clients", str(PARTIES),
                    "--processes", str(given.processes), "--dataset", DATASET, "--identities", f"{folder}/identities",
                )  # fmt: skip
                wait_until(lambda: _online(http) == PARTIES, 180, "all clients are online")
                lines = [_measure(http, Path(folder), name, given) for name in given.settings or SETTINGS]
        finally:
            meadow.kill()
    return 0 if all(lines) else 1


def _measure(http: httpx.Client, folder: Path, name: str, given: argparse.Namespace) -> bool:
    """Run one setting as an experiment and print its line; False if a run failed."""
    words, options, published = SETTINGS[name]
    config = COMMON | options | {"num_rounds": given.rounds, "evaluate_every": given.rounds}
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    body = {"name": words, "config": config, "seeds": list(seeds)}
    path = f"/api/experiments/{http.post('/api/experiments', json=body).raise_for_status().json()['id']}"
    _print(f"{words}: {given.seeds} runs of {given.rounds} rounds at {http.base_url}")
    accuracies: dict[int, float] = {}
    shown = 0
    while True:
        experiment = http.get(path).raise_for_status().json()
        shown = _show_progress(experiment, shown)
        for run in experiment["runs"]:
            if run["state"] == "completed" and run["id"] not in accuracies:
                accuracies[run["id"]] = _evaluate(http, folder, run["id"])
                _print(f"{words}, seed {run['seed']}: {100 * accuracies[run['id']]:.2f} %")
        if experiment["state"] != "running":
            break
        time.sleep(1)
    seconds = [row["seconds"] for run in accuracies for row in _rounds(http, run) if row["round"] > 0]
    if accuracies:
        spread = f" ± {100 * statistics.stdev(accuracies.values()):.1f}" if len(accuracies) > 1 else ""
        mean = statistics.mean(accuracies.values())
        _print(f"{words}: {100 * mean:.1f}{spread} % (n = {len(accuracies)}); "
               f"published {published} % after 50 rounds; {statistics.median(seconds):.1f} s a round")  # fmt: skip
    failed = [run for run in experiment["runs"] if run["state"] != "completed"]
    for run in failed:
        _print(f"run {run['id']} is {run['state']}: {run['reason']}")
    return not failed


def _show_progress(experiment: dict[str, Any], shown: int) -> int:
    done: int = sum(run["current_round"] for run in experiment["runs"])
    if done != shown:
        rounds = ", ".join(f"{run['current_round']} of {run['num_rounds']}" for run in experiment["runs"])
        _print(f"{time.strftime('%H:%M:%S')} rounds {rounds}")
    return done


def _evaluate(http: httpx.Client, folder: Path, run_id: int) -> float:
    """Download the last model of a run and let a child process evaluate it, so that this one needs no TensorFlow."""
    file = folder / f"run-{run_id}.npz"
    file.write_bytes(http.get(f"/api/runs/{run_id}/model").raise_for_status().content)
    command = [sys.executable, "-m", "benchmarks.niid", "--evaluate", str(file)]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def _accuracy(file: Path) -> float:
    """Return the accuracy of a model, given by its arrays, on the whole test split."""
    model, test = build(NETWORK, published_spec(DATASET)), load(DATASET).test
    assert test is not None
    with np.load(file, allow_pickle=False) as packed:
        model.set_weights([packed[name] for name in packed.files])
    correct = 0
    for start in range(0, len(test), BATCH):
        images = test.images[start : start + BATCH].astype(np.float32) / np.float32(255)
        answers = np.asarray(model(images, training=False)).argmax(axis=1)
        correct += int((answers == test.labels[start : start + BATCH]).sum())
    return correct / len(test)


def _online(http: httpx.Client) -> int:
    clients: list[dict[str, Any]] = http.get("/api/clients").raise_for_status().json()["items"]
    return sum(1 for one in clients if one["state"] == "online")


def _rounds(http: httpx.Client, run_id: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = http.get(f"/api/runs/{run_id}/rounds?limit=1000").raise_for_status().json()["items"]
    return items


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.niid", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--first-seed", type=int, default=1, help="the others follow it")
    parser.add_argument("--processes", type=int, default=2, help="processes that share the clients")
    parser.add_argument("--setting", dest="settings", action="append", choices=list(SETTINGS), help="default: both")
    parser.add_argument("--evaluate", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
