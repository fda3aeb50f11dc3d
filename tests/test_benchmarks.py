"""The benchmarks run, and judge what they measure by the right side of its limit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import niid
from benchmarks.plan import Size, Verdict
from benchmarks.timing import Series, Timing, ratio
from federation.run.config import RunConfig
from tests.support.processes import ROOT


def test_a_verdict_knows_which_side_is_good() -> None:
    assert Verdict("over gRPC", 1.0, 1.0).holds
    assert not Verdict("over gRPC", 1.01, 1.0).holds
    assert Verdict("stock over Meadow", 301, 300, at_least=True).holds
    assert "DOES NOT HOLD" in str(Verdict("stock over Meadow", 299, 300, at_least=True))
    assert str(Size(2, 1_000, 5)) == "2 × 1 k" and str(Size(10, 10_000_000, 5)) == "10 × 10 M"


def test_contenders_are_compared_turn_by_turn_so_that_a_noisy_moment_counts_for_both() -> None:
    ours = Series("ours", [Timing([1.0, 3.0]), Timing([20.0])])
    theirs = Series("theirs", [Timing([4.0]), Timing([40.0])])
    assert ratio(ours, theirs) == 0.5
    assert (ours.wall_ms, ours.median_ms, ours.least_ms) == (11.0, 3.0, 1.0)


def test_the_settings_of_niid_bench_are_runs_of_meadow() -> None:
    for _, options, _ in niid.SETTINGS.values():
        config = RunConfig.model_validate(niid.COMMON | options)
        assert (config.momentum, config.weight_decay, config.local_epochs) == (0.9, 1e-5, 10)
        assert not set(niid.COMMON | options) & config.unused


@pytest.mark.timeout(180)
def test_meadow_and_the_grpc_stream_work_side_by_side(tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--only", "duel", "--only", "recording"]
    done = subprocess.run([*command, "--output", output], cwd=ROOT, capture_output=True, text=True, check=False)
    assert output.exists(), done.stdout + done.stderr
    result = json.loads(output.read_text())
    assert [one["contender"] for one in result["series"]] == ["Meadow", "gRPC stream"]
    assert all(len(one["rounds_ms"][0]) == 5 for one in result["series"])
    assert result["figures"]["recording"]["ms_with_2_clients"] > 0
    assert len(result["verdicts"]) == 2
