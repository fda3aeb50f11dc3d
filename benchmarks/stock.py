"""The stock deployment as a contender: flower-superlink, flower-supernode and ``flwr run``, each as it is installed."""

import json
import os
import shutil
import sys
from pathlib import Path

from benchmarks.processes import ROOT, Children, free_port, wait_until
from benchmarks.supernodes.nodes import COMPILED
from benchmarks.timing import Timing

BIN = Path(sys.executable).parent
START_SECONDS, ROUND_SECONDS = 60, 60


def work(folder: Path, children: Children, clients: int, parameters: int, rounds: int) -> Timing:
    """Start a deployment, work so many rounds in it, and return their times; the first one starts the processes."""
    folder.mkdir(parents=True)
    app, result, port = folder / "app", folder / "result.json", free_port()
    shutil.copytree(ROOT / "benchmarks" / "stock_app", app)
    shutil.copy(ROOT / "LICENSE", app)  # flwr packs no app without one
    environment = _environment(folder, port)
    children.start("superlink", [
        BIN / "flower-superlink", "--insecure", "--port", str(port), "--disable-runtime-dependency-installation",
    ], env=environment)  # fmt: skip
    wait_until(lambda: "Uvicorn running" in children.said("superlink"), START_SECONDS, "superlink")
    for i in range(clients):
        children.start(f"supernode-{i}", [
            BIN / "flower-supernode", "--insecure", "--superlink", f"127.0.0.1:{port}", "--port", str(free_port()),
            "--node-config", f"partition-id={i}",
        ], env=environment)  # fmt: skip
    config = f'clients={clients} parameters={parameters} rounds={rounds} result="{result}"'
    command: list[str | Path] = [BIN / "flwr", "run", app, "bench", "--run-config", config]
    submitted = children.start("flwr-run", command, env=environment).wait(START_SECONDS)
    assert submitted == 0, children.said("flwr-run")
    wait_until(result.exists, START_SECONDS + rounds * ROUND_SECONDS, "the end of the stock deployment's run")
    return Timing(json.loads(result.read_text()))


def _environment(folder: Path, port: int) -> dict[str, str]:
    """Give flwr a home of its own that names the superlink."""
    home = folder / "home"
    home.mkdir()
    connection = f'[superlink.bench]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
    (home / "config.toml").write_text(f'[superlink]\ndefault = "bench"\n{connection}')
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0", "PATH": path, **COMPILED}
