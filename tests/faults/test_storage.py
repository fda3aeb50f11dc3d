"""The disk and the database fail, or the process dies while it writes: nothing is lost, doubled or left half done."""

import array
import fcntl
import io
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Api, running
from tests.support.light_client import Answer, Answering, LightClient, Stage, honest, shifted
from tests.support.processes import Meadow, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def brisk(silent_in: int | None = None) -> Answering:
    """Take a moment to train; never evaluate the round ``silent_in``."""

    def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        if task.phase == "train" and weights is not None:
            return Answer(shifted(weights, 0.01), delay_seconds=0.03)
        said = honest(task, weights, layout)
        said.silent = task.phase == "evaluate" and task.round == silent_in
        return said

    return answer


@contextmanager
def two_clients(meadow: Meadow, api: Api, keys: list[Any], answer: Answering) -> Iterator[None]:
    """Two light clients, the same with every call; they are gone when the server is."""
    with Stage(meadow.flower_address) as stage:
        for name, key in zip("ab", keys, strict=True):
            stage.add(name, answer, key=key)
        api.wait_for_clients(2)
        yield


def is_whole(api: Api, meadow: Meadow, run_id: int) -> int:
    """Check what a killed dashboard left behind; return the last committed round."""
    run = api.run(run_id)
    rounds = api.rounds(run_id)
    assert rounds == list(range(run["current_round"] + 1)), "a round is missing or doubled"
    folder = meadow.data_dir / "runs" / str(run_id)
    assert (folder / f"round-{rounds[-1]:06d}.weights").stat().st_size == 400_000, (
        "the model of the last round is there"
    )
    assert not list(folder.glob(".*")), "a half file was left"
    with sqlite3.connect(meadow.data_dir / "meadow.db") as database:
        for table, what in (("rounds", "run_id, round"), ("replies", "run_id, round, attempt, phase, client_id"),
                            ("metric_points", "run_id, round, phase, client_id, name")):  # fmt: skip
            doubled = database.execute(f"SELECT {what} FROM {table} GROUP BY {what} HAVING COUNT(*) > 1").fetchall()
            assert doubled == [], table
    database.close()
    return rounds[-1]


def test_kills_at_every_moment_of_a_checkpoint_leave_the_last_committed_round(meadow: Meadow, api: Api) -> None:
    """In the middle of the file (a pipe takes its place and is not read), between rename and commit (the clients do not
    answer the evaluation that the commit waits for), and twice after a seeded while."""
    keys = [LightClient("", name).key for name in "ab"]
    seed = random.Random(25)
    folder = meadow.data_dir / "runs" / "1"

    def in_the_middle_of_the_file(run_id: int) -> None:
        wait_until(lambda: (folder / "layout.json").exists())
        pipe = folder / ".round-000004.weights.writing"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            wait_until(lambda: waiting_bytes(reader) > 0, what="the checkpoint of round 4 is being written")
            meadow.kill()
        finally:
            os.close(reader)

    def between_rename_and_commit(run_id: int) -> None:
        wait_until((folder / "round-000007.weights").exists, what="the checkpoint of round 7")
        assert api.run(run_id)["current_round"] == 6
        meadow.kill()

    def after_a_while(run_id: int) -> None:
        at, more = api.run(run_id)["current_round"], seed.randrange(2, 8)
        wait_until(lambda: api.run(run_id)["current_round"] >= at + more)
        deadline = time.monotonic() + seed.uniform(0, 0.1)
        wait_until(lambda: time.monotonic() > deadline)
        meadow.kill()

    plan: list[tuple[Callable[[int], None], Answering, int | None]] = [
        (in_the_middle_of_the_file, brisk(), 3), (between_rename_and_commit, brisk(silent_in=7), 6),
        *[(after_a_while, brisk(), None)] * 2,
    ]  # fmt: skip
    run_id = 0
    for die, answer, last in plan:
        with two_clients(meadow, api, keys, answer):
            if run_id:
                assert api.http.post(f"/api/runs/{run_id}/resume").status_code == 202
            else:
                run_id = api.start_run(num_rounds=40, synthetic_parameters=100_000)
            die(run_id)
        meadow.start()
        assert api.run(run_id)["state"] == "interrupted"
        committed = is_whole(api, meadow, run_id)
        assert last is None or committed == last
    with two_clients(meadow, api, keys, brisk()):
        assert api.http.post(f"/api/runs/{run_id}/resume").status_code == 202
        assert api.wait_for_state(run_id, "completed", "failed", timeout=40)["state"] == "completed"
    assert is_whole(api, meadow, run_id) == 40
    assert len(list(folder.glob("round-*"))) <= 3, "checkpoints of earlier rounds were left"


def waiting_bytes(reader: int) -> int:
    """Return how many bytes lie in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(reader, termios.FIONREAD, count)
    return count[0]


LOCKER = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(8)
database.execute("COMMIT")
print("free", flush=True)
"""


def test_a_database_locked_by_another_process_for_8_seconds_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as dashboard, dashboard.stage() as stage:
        for name in "ab":
            stage.add(name, brisk())
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=40)
        wait_until(lambda: dashboard.run(run_id)["current_round"] >= 2)
        command = [sys.executable, "-c", LOCKER, str(tmp_path / "data" / "meadow.db")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None and other.stdout.readline() == "locked\n"
            began = time.monotonic()
            at = dashboard.run(run_id)["current_round"]
            assert time.monotonic() - began < 2, "pages are read while the database is locked"
            stopping = dashboard.http.post("/api/runs", json={"network": "synthetic", "dataset": "synthetic"})
            assert stopping.status_code == 201, "a wish waits its turn"
            assert time.monotonic() - began > 6
            assert dashboard.run(run_id)["current_round"] <= at + 2
            assert other.stdout.readline() == "free\n"
        dashboard.wait_for_state(run_id, "completed", timeout=40)
        assert dashboard.rounds(run_id) == list(range(41))
        states = [one["state"] for one in dashboard.http.get("/api/clients").json()["items"]]
        assert states == ["online", "online"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB, of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root; test_steering has a full disk by a limit on files")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_pauses_the_run_with_a_banner_and_it_goes_on_when_there_is_room(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Database, LinkState, checkpoints and temporary files are on one disk, as they are in life."""
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    ballast = small_disk / "ballast"
    with running(small_disk) as dashboard, dashboard.stage() as stage:
        for name in "ab":
            stage.add(name, brisk())
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=30, synthetic_parameters=250_000)
        wait_until(lambda: dashboard.run(run_id)["current_round"] >= 3)
        fill(ballast)
        paused = dashboard.wait_for_state(run_id, "paused", "failed")
        assert paused["state"] == "paused", paused["reason"]
        assert paused["blocked_on"]["kind"] == "storage"
        assert "cannot be written" in paused["blocked_on"]["sentence"]
        assert "cannot be written" in dashboard.http.get(f"/runs/{run_id}").text
        ready = dashboard.http.get("/readyz")
        assert (ready.status_code, ready.json()["reasons"]) == (
            503,
            ["The data volume has no free space."],
        )
        for size in (1000, 1_000_000):  # the larger one is put on the disk while it comes
            refused = dashboard.http.post("/api/weights", files={"file": ("w.npz", npz_of(size))})
            assert (refused.status_code, "No space left on device" in refused.text) == (507, True), refused.text
        at = paused["current_round"]
        assert dashboard.rounds(run_id) == list(range(at + 1))
        ballast.unlink()
        assert dashboard.http.get("/readyz").status_code == 200
        done = dashboard.wait_for_state(run_id, "completed", "failed", timeout=40)
        assert done["state"] == "completed", done["reason"]
        assert dashboard.rounds(run_id) == list(range(31))


def npz_of(size: int) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, w=np.ones(size, np.float32))
    return packed.getvalue()


def fill(path: Path) -> None:
    """Write until the disk is full to the last byte."""
    with open(path, "wb", buffering=0) as file:
        for size in (MEGABYTE, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


MEGABYTE = 1 << 20
