"""The documented example: scikit-learn's classifier learns the digits over two real client processes."""

import sys
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import StartClient
from tests.support.http import LOCAL
from tests.support.processes import ROOT, Meadow, RealProcess, wait_until


def test_the_example_learns_over_two_clients(meadow: Meadow, client: StartClient, tmp_path: Path) -> None:
    made = RealProcess(["examples/sklearn_app.py", str(tmp_path / "weights.npz")], tmp_path / "example.log")
    made.start()
    assert made.wait() == 0, made.output
    with httpx.Client(base_url=meadow.url, **LOCAL, timeout=20) as http:
        kept = http.post("/api/weights", files={"file": (tmp_path / "weights.npz").read_bytes()}).json()
        assert kept["layout"] == [["coef", [10, 64], "float64"], ["intercept", [10], "float64"]]
        for part, name in enumerate(("left", "right")):
            arguments = ["--app", "examples.sklearn_app:app", "--partition", str(part), "--partitions", "2"]
            client(meadow.flower_address, name, *arguments)
        body = {"network": "custom", "initial_weights": kept["id"], "num_rounds": 10, "strategy": "FedAvg"}
        run_id = http.post("/api/runs", json=body).json()["id"]
        run = wait_until(lambda: ended(http, run_id), 60)
    assert run["state"] == "completed", run
    assert run["last_metrics"]["evaluate_accuracy"] > 0.9


def ended(http: httpx.Client, run_id: int) -> dict[str, Any]:
    run: dict[str, Any] = http.get(f"/api/runs/{run_id}").json()
    return run if run["state"] in ("completed", "failed") else {}


def test_the_example_is_as_short_as_the_page_says_and_imports_no_tensorflow() -> None:
    lines = [line for line in (ROOT / "examples" / "sklearn_app.py").read_text().splitlines() if line.strip()]
    code = [line for line in lines[lines.index("import sys") :] if not line.strip().startswith('"""')]
    assert len(code) <= 40
    assert "tensorflow" not in "".join(code)
    assert sys.version_info >= (3, 11)
