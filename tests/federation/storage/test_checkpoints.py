"""Checkpoints of a run: which stay, and how damage is detected."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.storage.checkpoints import CheckpointDamaged, Checkpoints, read_layout
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
    kept = Checkpoints(tmp_path / "run")
    kept.write_layout(LAYOUT)
    weights, state = LAYOUT.pack(WEIGHTS), {"m_t:float32": np.ones(3, np.float32)}
    first = kept.write(1, weights, {})
    second = kept.write(2, weights, state)
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
