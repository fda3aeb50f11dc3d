"""``python -m webapp db``: a backup of a dashboard under way, and the way back from it."""

import fcntl
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.dashboard import SYNTHETIC, Dashboard, finished_run, running
from tests.support.migrated import lay_data
from tests.support.processes import ROOT, Meadow, wait_until
from webapp.__main__ import main

Edit = Callable[[Path], object]


def data_of(dashboard: Dashboard) -> str:
    return str(dashboard.parts.settings.data_dir)


def more_rounds(dashboard: Dashboard, run_id: int, than: int) -> None:
    wait_until(lambda: dashboard.run(run_id)["current_round"] > than, what=f"more than {than} rounds")


def test_each_backup_of_a_run_under_way_can_be_restored_and_resumed(
    dashboard: Dashboard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        stage.add("site-b")
        run_id = dashboard.start_run(num_rounds=10_000)
        for number in range(5):
            before = dashboard.run(run_id)["current_round"]
            more_rounds(dashboard, run_id, before + 3)
            assert main(["db", "backup", str(tmp_path / f"{number}.tar"), "--data-dir", data_of(dashboard)]) == 0
            assert main(["db", "check", "--data-dir", data_of(dashboard)]) == 0, capsys.readouterr().err
            assert dashboard.run(run_id)["state"] == "running"
        dashboard.http.post(f"/api/runs/{run_id}/stop")
        dashboard.wait_for_state(run_id, "stopped")
    for number in range(5):
        restored = tmp_path / f"restored-{number}"
        assert main(["db", "restore", str(tmp_path / f"{number}.tar"), "--data-dir", str(restored / "data")]) == 0
        assert main(["db", "check", "--data-dir", str(restored / "data")]) == 0, capsys.readouterr().err
    with running(restored) as again, again.stage() as stage:
        run = again.run(run_id)
        assert run["state"] == "interrupted"
        stage.add("site-a")
        stage.add("site-b")
        assert again.http.post(f"/api/runs/{run_id}/resume").status_code == 202
        more_rounds(again, run_id, run["current_round"])


def test_a_backup_is_laid_out_only_where_nothing_is_and_no_dashboard_runs(
    meadow: Meadow, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, data = tmp_path / "one.tar", str(meadow.data_dir)
    assert main(["db", "backup", str(archive), "--data-dir", data]) == 0
    assert main(["db", "backup", str(archive), "--data-dir", data]) == 1
    assert "Choose another file" in capsys.readouterr().err
    for command in (["restore", str(archive)], ["upgrade"]):
        assert main(["db", *command, "--data-dir", data]) == 3
        assert "Stop that dashboard" in capsys.readouterr().err
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "meadow.db").touch()
    assert main(["db", "restore", str(archive), "--data-dir", str(tmp_path / "used")]) == 1
    assert "holds meadow.db: move its content away" in capsys.readouterr().err


def test_a_backup_that_is_laid_out_under_a_running_dashboard_ends_it_and_gets_nothing_of_it(
    meadow: Meadow, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, away = tmp_path / "one.tar", tmp_path / "away"
    assert main(["db", "backup", str(archive), "--data-dir", str(meadow.data_dir)]) == 0
    with httpx.Client(base_url=meadow.url, trust_env=False) as http:
        assert http.post("/api/runs", json=SYNTHETIC | {"name": "later"}).status_code == 201
        meadow.data_dir.rename(away)
        answer = http.post("/api/runs", json=SYNTHETIC)
        assert (answer.status_code, "cannot be read or written" in answer.text) == (503, True)
        assert not meadow.data_dir.exists(), "no empty database takes the place of the one that is missing"
        assert main(["db", "restore", str(archive), "--data-dir", str(meadow.data_dir)]) == 0, capsys.readouterr().err
        assert meadow.wait() == 3
        assert "The file of the database was replaced under the running dashboard" in meadow.output
        meadow.start()
        assert http.get("/api/runs").json()["total"] == 0
    with running(tmp_path / "again", data_dir=away) as before:
        assert before.run(1)["name"] == "later"


def test_the_next_backup_deletes_what_a_killed_one_left(tmp_path: Path) -> None:
    data, archive = lay_data(tmp_path / "data"), tmp_path / "one.tar"
    large = data / "runs" / "1" / "round-000001.weights"
    large.parent.mkdir(parents=True)
    with open(large, "wb") as stream:
        stream.truncate(2 * 10**9)
    command = [sys.executable, "-m", "webapp", "db", "backup", str(archive), "--data-dir", str(data)]
    with subprocess.Popen(command, cwd=ROOT) as killed:
        wait_until(lambda: list(data.glob(".backup-*/runs/1/*")), 30, "files are linked")
        killed.kill()
    assert list(data.glob(".backup-*"))
    large.unlink()
    (tmp_path / ".one.tar.0123abcd").touch()
    (data / ".backup-of-another").mkdir()
    other = os.open(data / ".backup-of-another", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert main(command[3:]) == 0
    assert [path.name for path in data.glob(".backup-*")] == [".backup-of-another"]
    os.close(other)
    assert [path.name for path in tmp_path.iterdir() if path.name != "data"] == ["one.tar"]
    (tmp_path / "again" / ".restore-of-a-killed-one").mkdir(parents=True)
    assert main(["db", "restore", str(archive), "--data-dir", str(tmp_path / "again")]) == 0
    assert not list((tmp_path / "again").glob(".restore-*"))


def test_a_backup_holds_neither_earlier_backups_nor_links_without_their_content(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path):
        pass
    data = tmp_path / "data"
    assert main(["db", "backup", str(data / "one.tar"), "--data-dir", str(data)]) == 1
    assert "lies in the data directory" in capsys.readouterr().err
    (data / "runs").rename(tmp_path / "large disk")
    (data / "runs").symlink_to(tmp_path / "large disk")
    assert main(["db", "backup", str(tmp_path / "one.tar"), "--data-dir", str(data)]) == 1
    assert "is a symbolic link" in capsys.readouterr().err
    assert not (tmp_path / "one.tar").exists()


def flip(archive: Path) -> None:
    text = bytearray(archive.read_bytes())
    text[len(text) // 2] ^= 1
    archive.write_bytes(text)


def rewrite(change: Callable[[tarfile.TarInfo, bytes], tuple[str, bytes] | None]) -> Edit:
    """Write an archive anew with members renamed, changed or dropped."""

    def edit(archive: Path) -> None:
        with tarfile.open(archive) as old:
            members = [(one, old.extractfile(one).read()) for one in old if one.isreg()]  # type: ignore[union-attr]
        with tarfile.open(archive, "w") as new:
            for member, text in members:
                if changed := change(member, text):
                    member.name, member.size = changed[0], len(changed[1])
                    new.addfile(member, io.BytesIO(changed[1]))

    return edit


DAMAGE: dict[str, tuple[Edit, str]] = {
    "one bit": (flip, "is damaged: its sha256 differs"),
    "cut off": (lambda archive: os.truncate(archive, archive.stat().st_size // 2), ""),
    "no archive": (lambda archive: archive.write_text("no archive"), "is not a backup of Meadow"),
    "another archive": (rewrite(lambda one, text: (f"x{one.name}", text)), "does not begin with backup.json"),
    "no manifest of ours": (rewrite(lambda one, text: (one.name, b"[1]")), "backup.json of the archive cannot be read"),
    "a file outside": (
        rewrite(lambda one, text: (one.name, text.replace(b'"meadow.db"', b'"../meadow.db"'))),
        "outside the data directory",
    ),
    "a file more": (
        rewrite(lambda one, text: (one.name if one.name == "backup.json" else f"{one.name}.x", text)),
        "is not what backup.json says",
    ),
    "a file less": (
        rewrite(lambda one, text: None if one.name.endswith(".weights") else (one.name, text)), "is missing"
    ),
}  # fmt: skip


def test_nothing_is_laid_out_of_a_damaged_backup(
    dashboard: Dashboard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_run(dashboard)
    whole, archive, target = tmp_path / "whole.tar", tmp_path / "damaged.tar", tmp_path / "restored"
    assert main(["db", "backup", str(whole), "--data-dir", data_of(dashboard)]) == 0
    for name, (damage, says) in DAMAGE.items():
        shutil.copyfile(whole, archive)
        damage(archive)
        assert main(["db", "restore", str(archive), "--data-dir", str(target)]) == 1, name
        error = capsys.readouterr().err
        assert says in error and len(error.splitlines()) == 1, (name, error)
        assert [path.name for path in target.iterdir() if path.suffix != ".lock"] == [], name
    assert main(["db", "restore", str(whole), "--data-dir", str(target)]) == 0


def test_the_check_names_a_checkpoint_that_is_missing_or_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path) as dashboard:
        run_ids = [finished_run(dashboard) for _ in range(2)]
        folder = dashboard.parts.settings.runs_dir
    data = str(tmp_path / "data")
    assert main(["db", "check", "--data-dir", data]) == 0
    assert ", 2 checkpoints: no faults." in capsys.readouterr().out
    next((folder / str(run_ids[0])).glob("*3.weights")).unlink()
    flip(next((folder / str(run_ids[1])).glob("*3.weights")))
    assert main(["db", "check", "--data-dir", data]) == 1
    error = capsys.readouterr().err
    assert f"run {run_ids[0]}:" in error and "No such file" in error
    assert f"run {run_ids[1]}:" in error and "its sha256 differs" in error
    assert "2 checkpoints: 2 faults." in error


def test_what_cannot_be_done_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data-dir", str(tmp_path / "none")]
    postgres = ["--database-url", "postgresql://meadow@localhost/meadow"]
    for command, says in (
        (["check", *data], "There is no database"),
        (["backup", str(tmp_path / "x.tar"), *data], "There is no database"),
        (["backup", str(tmp_path / "x.tar"), *postgres], "pg_dump"),
        (["restore", str(tmp_path / "x.tar"), *postgres], "remove --database-url"),
        (["restore", str(tmp_path / "x.tar"), *data], "No such file"),
    ):
        assert main(["db", *command]) == 1
        assert says in capsys.readouterr().err
    assert main(["db", "upgrade", *data]) == 0
    assert main(["db", "check", *data]) == 0
