"""Checkpoints of a run: which stay, and how damage is detected."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.run.config import RunConfig
from federation.storage import initial_weights as initial
from federation.storage import keras_export
from federation.storage.checkpoints import CheckpointDamaged, Checkpoints, read_layout
from federation.storage.initial_weights import initial_weights
from federation.storage.kept_files import delete_leftovers
from federation.storage.keras_export import KEPT_EXPORTS, KerasExports
from federation.weights.layout import Layout

WEIGHTS: list[Any] = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7, 8], np.int64), np.array([True, False])]
LAYOUT = Layout.of(["kernel", "steps", "mask"], WEIGHTS)


def test_a_full_disk_raises_before_anything_is_written(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "run")
    kept.require_space(0)
    with pytest.raises(OSError, match="No space left on device"):
        kept.require_space(1 << 60)


def test_expired_checkpoints_are_deleted_and_damage_is_detected(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".round-000009.weights.writing").write_bytes(b"half")
    delete_leftovers(tmp_path)
    kept = Checkpoints(tmp_path / "run")
    kept.write_layout(LAYOUT)
    weights, state = LAYOUT.pack(WEIGHTS), {"m_t:float32": np.ones(3, np.float32)}
    first = kept.write(1, weights, {})
    second = kept.write(2, weights, state)
    (tmp_path / "run" / "round-000001.keras").write_bytes(b"exported")
    kept.keep({2})
    assert (tmp_path / "run" / first.file).exists(), "the next round's write deletes it, while clients work"
    kept.delete_expired()
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "layout.json", "round-000002.state.npz", "round-000002.weights"]  # fmt: skip
    read, read_state = kept.read(2, second)
    assert (read, read_layout(tmp_path / "run")) == (weights, LAYOUT)
    np.testing.assert_array_equal(read_state["m_t:float32"], np.ones(3))
    (tmp_path / "run" / second.file).write_bytes(b"\0" * len(weights))
    with pytest.raises(CheckpointDamaged, match="sha256 differs"):
        kept.read(2, second)
    with pytest.raises(CheckpointDamaged, match="cannot be read"):
        kept.read(1, first)


def test_reading_deletes_nothing_that_is_being_written(tmp_path: Path) -> None:
    """Another object over the folder is made while a named pipe holds the writer in the middle of its file."""
    kept, half = Checkpoints(tmp_path / "run"), tmp_path / "run" / ".round-000001.weights.writing"
    os.mkfifo(half)
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(kept.write, 1, b"x" * (1 << 20), {})
        with open(half, "rb") as pipe:
            assert pipe.read(1) == b"x"
            Checkpoints(tmp_path / "run")
            assert half.exists()
            pipe.read()
        with pytest.raises(OSError, match="Invalid argument"):  # fsync of a pipe
            writing.result(10)


def test_a_start_deletes_exports_whose_checkpoint_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    for name in ("round-000001.weights", "round-000001.keras", "round-000002.keras", ".round-000003.ab12.npz"):
        (folder / name).write_bytes(b"x")
    delete_leftovers(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["round-000001.keras", "round-000001.weights"]


@pytest.mark.slow
def test_two_exports_of_one_round_at_once_share_one_build(tmp_path: Path) -> None:
    config = RunConfig(network="mlp", dataset="digits", seed=7)
    shapes = {"hidden/kernel": (64, 128), "hidden/bias": 128, "classes/kernel": (128, 10), "classes/bias": 10}
    arrays: list[Any] = [np.full(shape, 0.5, np.float32) for shape in shapes.values()]
    layout = Layout.of(list(shapes), arrays)
    weights = layout.pack(arrays)
    kept = Checkpoints(tmp_path / "1")
    kept.write_layout(layout)
    file = kept.write(1, weights, {}).file
    exports = KerasExports(tmp_path)
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda _: exports.file(1, config, file), range(3)))
    assert set(made) == {tmp_path / "1" / "round-000001.keras"}
    assert sorted(path.name for path in (tmp_path / "1").iterdir()) == [
        "layout.json", "round-000001.keras", "round-000001.weights"]  # fmt: skip


def test_only_the_initial_weights_that_were_used_last_stay_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with a random seed leaves a file; the child process is replaced by one that writes it at once."""

    def write(command: list[str], _: Any) -> dict[str, Any]:
        np.savez(command[-1], **dict(zip(["kernel", "steps", "mask"], WEIGHTS, strict=True)))
        return {"layout": LAYOUT.to_json()}

    monkeypatch.setattr(initial, "run_network_process", write)
    (tmp_path / "upload-1.weights").write_bytes(b"x")
    for seed in range(initial.KEPT_NETWORKS + 3):
        initial_weights(RunConfig(network="mlp", dataset="digits", seed=seed), tmp_path, time.sleep)
    assert len(list(tmp_path.glob("mlp-*.weights"))) == len(list(tmp_path.glob("*.json"))) == initial.KEPT_NETWORKS
    assert (tmp_path / f"mlp-digits-{initial.KEPT_NETWORKS + 2}.weights").exists()
    assert (tmp_path / "upload-1.weights").exists()


def test_only_the_exports_that_were_used_last_stay_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child process is replaced by one that writes the file at once."""

    def write(command: list[str], _: Any) -> dict[str, Any]:
        Path(command[-1]).write_bytes(b"a model")
        return {}

    monkeypatch.setattr(keras_export, "run_network_process", write)
    config, exports, amount = RunConfig(network="mlp", dataset="digits"), KerasExports(tmp_path), KEPT_EXPORTS + 2
    for run_id in range(1, amount + 1):
        kept = Checkpoints(tmp_path / str(run_id))
        kept.write_layout(LAYOUT)
        kept.write(1, LAYOUT.pack(WEIGHTS), {})
    for run_id in [*range(1, amount), 1, amount]:
        assert exports.file(run_id, config, "round-000001.weights").read_bytes() == b"a model"
    left = sorted(int(file.parent.name) for file in tmp_path.glob("*/*.keras"))
    assert left == [1, *range(amount - KEPT_EXPORTS + 2, amount + 1)]
    assert len(list(tmp_path.glob("*/*.weights"))) == amount
