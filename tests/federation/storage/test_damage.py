"""Files of a run that are damaged or missing: a resumed run fails with a reason, a download is refused."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.run.events import Blocked, Checkpoint, RoundDone
from federation.run.metric_goals import BestRound, MetricGoals
from federation.run.states import RunState
from federation.storage.checkpoint_policy import CheckpointPolicy
from tests.support.dashboard import Dashboard, running
from tests.support.engine import running_engine
from tests.support.light_client import Stage

STATE, LAYOUT, WEIGHTS = "round-000002.state.npz", "layout.json", "round-000002.weights"
Damage = Callable[[Path], object]


def rewritten(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Damage:
    """Write a state that is a readable .npz with other arrays."""

    def damage(file: Path) -> None:
        with np.load(file) as packed:
            arrays = dict(packed)
        np.savez(file, **change(arrays))

    return damage


def of_the_round_before(file: Path) -> None:
    shutil.copy(file.with_name("round-000001.state.npz"), file)


NOT_WITH = "round-000002.state.npz does not belong to the weights of round 2: its sha256 differs"
RESTORE = "A database and its runs folder belong together: restore both from one backup"
DAMAGE: dict[str, tuple[str, Damage, str]] = {
    "a state cut off": (STATE, lambda f: f.write_bytes(f.read_bytes()[:100]), f"{STATE} cannot be read"),
    "an empty state": (STATE, lambda f: f.write_bytes(b""), f"{STATE} cannot be read"),
    "a state altered": (
        STATE,
        lambda f: f.write_bytes(f.read_bytes().replace(bytes(8), b"12345678", 1)),
        f"{STATE} cannot be read",
    ),
    "a state of the round before": (STATE, of_the_round_before, NOT_WITH),
    "no second moments": (STATE, rewritten(lambda held: {n: held[n] for n in held if "v_t" not in n}), NOT_WITH),
    "other values": (
        STATE,
        rewritten(lambda held: {n: held[n] if n == "sha256" else -held[n] for n in held}),
        NOT_WITH,
    ),
    "other shapes": (
        STATE,
        rewritten(lambda held: {n: held[n] if n == "sha256" else held[n][:1] for n in held}),
        NOT_WITH,
    ),
    "a state of nothing": (STATE, rewritten(lambda _: {}), NOT_WITH),
    "no state": (STATE, Path.unlink, f"the state of FedAdam after round 2 was deleted: {STATE}"),
    "no layout": (LAYOUT, Path.unlink, "layout.json of the run cannot be read"),
    "a layout of another kind": (LAYOUT, lambda f: f.write_text("5"), "layout.json of the run cannot be read"),
    "a layout of other sides": (LAYOUT, lambda f: f.write_text('[["w", [5], "float32"]]'), "does not fit its weights"),
    "weights cut off": (WEIGHTS, lambda f: f.write_bytes(f.read_bytes()[:-1]), "sha256 differs"),
    "no weights": (WEIGHTS, Path.unlink, "cannot be read"),
    "a database without its files": (LAYOUT, lambda f: shutil.rmtree(f.parent), RESTORE),
}


def test_a_run_is_not_resumed_from_damaged_files(tmp_path: Path) -> None:
    with running_engine(tmp_path) as engine, Stage(engine.address) as stage:
        for name in "ab":
            stage.add(name)
        for file, damage, says in DAMAGE.values():
            run_id = engine.start_run(num_rounds=2, strategy="FedAdam")
            assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
            damage(tmp_path / "runs" / str(run_id) / file)
            engine.ledger.requeue(run_id, num_rounds=3)
            engine.supervisor.wake()
            assert engine.ledger.wait_end(run_id) is RunState.FAILED, file
            assert says in (reason := engine.ledger.reasons[run_id] or ""), reason
            assert "Meadow's own" not in reason


def test_a_run_whose_folder_cannot_be_made_waits_until_it_can(tmp_path: Path) -> None:
    with running_engine(tmp_path) as engine, Stage(engine.address) as stage:
        for name in "ab":
            stage.add(name)
        (tmp_path / "runs").mkdir(exist_ok=True)
        (in_the_way := tmp_path / "runs" / "1").write_text("a file of somebody else")
        run_id = engine.start_run(num_rounds=1)
        waits = engine.ledger.wait(lambda: [b for b in engine.ledger.of(Blocked) if b.kind == "storage"])
        assert waits[0].sentence == "The run's folder cannot be written: File exists. Check the data directory"
        assert engine.ledger.states[run_id] is RunState.WAITING
        in_the_way.unlink()
        assert engine.ledger.wait_end(run_id) is RunState.COMPLETED
        (tmp_path / "runs" / "2").write_text("another")
        stopped = engine.start_run(num_rounds=1)
        engine.ledger.wait(lambda: len([b for b in engine.ledger.of(Blocked) if b.kind == "storage"]) == 2)
        engine.supervisor.stop(stopped)
        assert engine.ledger.wait_end(stopped, 2.0) is RunState.STOPPED


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    with running(tmp_path) as started:
        yield started


def test_damaged_weights_are_not_downloaded(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        for name in "ab":
            stage.add(name)
        run_id = dashboard.start_run(num_rounds=2)
        dashboard.wait_for_state(run_id, "completed")
    folder, address = dashboard.parts.settings.runs_dir / str(run_id), f"/api/runs/{run_id}/model"
    layout, weights = ((folder / name).read_bytes() for name in (LAYOUT, WEIGHTS))
    assert dashboard.http.get(address).status_code == 200
    for file, content in (
        (WEIGHTS, weights[:-1]), (WEIGHTS, bytes(len(weights))), (WEIGHTS, b""), (LAYOUT, b"5"), (LAYOUT, b"{"),
        (LAYOUT, json.dumps([["w", [5], "float32"]]).encode()),
    ):  # fmt: skip
        (folder / file).write_bytes(content)
        answer = dashboard.http.get(address)
        assert (answer.status_code, "damaged" in answer.text) == (409, True), answer.text
        (folder / LAYOUT).write_bytes(layout)
        (folder / WEIGHTS).write_bytes(weights)
    (folder / WEIGHTS).unlink()
    answer = dashboard.http.get(address)
    assert (answer.status_code, "no longer on disk" in answer.text) == (404, True)
    shutil.rmtree(folder)
    answer = dashboard.http.get(address)
    assert (answer.status_code, RESTORE in answer.text) == (404, True), answer.text


@pytest.mark.parametrize(("name", "value", "better"), [
    ("evaluate_accuracy", 0.6, True), ("evaluate_accuracy", 0.4, False), ("evaluate_loss", 0.4, True),
    ("evaluate_recall@5", 0.6, True), ("evaluate_accuracy", float("inf"), False),
    ("evaluate_loss", float("-inf"), False),
])  # fmt: skip
def test_the_best_round_is_the_same_as_in_the_database(name: str, value: float, better: bool) -> None:
    done = RoundDone(1, 4, 1, 1.0, 1.0, 0.0, 0.0, {}, {name.partition("_")[2]: value}, Checkpoint("f", "0", 1))
    kept = CheckpointPolicy(1, name).best_of(done, BestRound(2, 0.5), MetricGoals())
    assert kept is not None
    assert (kept.round, kept.value) == ((4, value) if better else (2, 0.5))
