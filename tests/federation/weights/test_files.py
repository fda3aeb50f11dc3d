"""Atomic writes, and ids of contents."""

import os
from pathlib import Path

import pytest

from federation.weights.content_ids import content_id
from federation.weights.files import write_file


def test_a_failed_write_leaves_the_previous_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    assert write_file(path, b"ab", b"c") == content_id(b"abc")

    def fails(_: int) -> None:
        raise OSError("no room")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="no room"):
        write_file(path, b"new")
    assert path.read_bytes() == b"abc"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
