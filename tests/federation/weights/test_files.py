"""Atomic writes, and ids of contents."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from federation.weights.content_ids import content_id
from federation.weights.files import delete_all_but_newest, write_file


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


def test_threads_that_write_one_file_at_once_leave_it_whole(tmp_path: Path) -> None:
    path, content = tmp_path / "x", bytes(200_000)
    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(lambda _: write_file(path, content, shared=True), range(40)))
    assert set(written) == {content_id(content)}
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_files_that_others_delete_meanwhile_stop_no_deletion_of_old_ones(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("old.weights", "deleted.weights", "new.weights")]
    for number, file in enumerate(files):
        file.touch()
        os.utime(file, (number, number))
    files[1].unlink()
    delete_all_but_newest(files, 1)
    assert list(tmp_path.iterdir()) == [files[2]]
