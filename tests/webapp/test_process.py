"""The dashboard as a process: its exit codes, what it says, and what it leaves on disk."""

import re
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import create_engine, text

from tests.support.http import LOCAL
from tests.support.migrated import lay_data
from tests.support.processes import Meadow, RealProcess, free_port, make_meadow, refused, refused_on, wait_until

pytestmark = pytest.mark.slow

SYNTHETIC = {"network": "synthetic", "dataset": "synthetic", "num_rounds": 1000}


@contextmanager
def reading(url: str, count: int) -> Iterator[list[str]]:
    """Hold so many event streams open; the list tells how each ended."""
    ends: list[str] = []
    opened = threading.Barrier(count + 1)

    def read() -> None:
        try:
            with httpx.stream("GET", url, timeout=60, **LOCAL) as answer:
                opened.wait(20)
                for _ in answer.iter_lines():
                    pass
            ends.append("whole")
        except httpx.HTTPError as error:
            ends.append(type(error).__name__)

    threads = [threading.Thread(target=read) for _ in range(count)]
    for thread in threads:
        thread.start()
    opened.wait(20)
    try:
        yield ends
    finally:
        for thread in threads:
            thread.join(20)


def test_each_signal_ends_it_within_five_seconds_with_streams_open(meadow: Meadow) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        run_id = httpx.post(f"{meadow.url}/api/runs", json=SYNTHETIC, **LOCAL).json()["id"]
        with reading(f"{meadow.url}/api/events?after=0", 3) as ends:
            meadow.running.send_signal(number)
            assert meadow.wait(5) == 0, number
        assert ends == ["whole"] * 3, number
        assert "Traceback" not in meadow.output
        assert not list(meadow.data_dir.glob("meadow.db-wal")), f"{number}: the database was not closed clean"

        meadow.start()
        run = httpx.get(f"{meadow.url}/api/runs/{run_id}", **LOCAL).json()
        assert run["state"] == "interrupted", number


def test_a_killed_dashboard_says_after_a_restart_what_became_of_its_runs(meadow: Meadow) -> None:
    with httpx.Client(base_url=meadow.url, **LOCAL) as http:
        active, queued = (http.post("/api/runs", json=SYNTHETIC).json()["id"] for _ in range(2))
        assert http.get(f"/api/runs/{queued}").json()["queue_position"] == 1
        meadow.restart()  # the data that it left locked is free
        run, held = (http.get(f"/api/runs/{run_id}").json() for run_id in (active, queued))
        assert (run["state"], run["blocked_on"]) == ("interrupted", None)
        assert "restarted" in run["reason"]
        assert (held["state"], held["blocked_on"]["kind"], held["queue_position"]) == ("queued", "held", None)

        assert http.post(f"/api/runs/{queued}/resume").status_code == 202
        wait_until(lambda: http.get(f"/api/runs/{queued}").json()["state"] == "waiting")
        assert http.post(f"/api/runs/{queued}/resume").status_code == 409
    assert meadow.interrupt(5) == 0


@pytest.mark.parametrize("taken", ["port", "flower-port"])
def test_a_taken_port_is_named_with_its_setting(tmp_path: Path, taken: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ports = {"port": free_port(), "flower-port": free_port(), taken: port}
        flags = [part for name, value in ports.items() for part in (f"--{name}", str(value))]
        process = refused(tmp_path, *flags, "--data-dir", str(tmp_path / "data"))
    assert process.running.returncode == 4
    assert str(port) in process.output
    assert f"--{taken}" in process.output


@pytest.fixture(scope="module")
def oddly_named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meadow]:
    """A dashboard whose data directory has a name that URLs, shells and SQL would quote; it has a run."""
    folder = tmp_path_factory.mktemp("process")
    meadow = make_meadow(folder, data_dir=folder / "data" / "why? 50%25 #1 'ü", preloaded=True)
    try:
        meadow.start()
        assert httpx.post(f"{meadow.url}/api/runs", json=SYNTHETIC, **LOCAL).status_code == 201
        yield meadow
        assert meadow.interrupt() == 0
        assert "Traceback" not in meadow.output
    finally:
        meadow.kill()


def test_a_data_directory_may_have_any_name_and_holds_all_data(oddly_named: Meadow) -> None:
    folder = oddly_named.data_dir
    assert {"meadow.db", "flower", "runs"} <= {path.name for path in folder.iterdir()}
    assert (folder / "flower" / "linkstate.db").stat().st_size
    assert list(folder.parent.iterdir()) == [folder]
    assert f"data in {folder}" in oddly_named.output


def test_nobody_else_may_read_the_data(oddly_named: Meadow) -> None:
    folder = oddly_named.data_dir
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_a_second_dashboard_on_the_same_data_is_told_who_holds_it(oddly_named: Meadow, tmp_path: Path) -> None:
    ports = ["--port", str(oddly_named.port), "--flower-port", str(oddly_named.flower_port)]
    for flags in (ports, ["--port", "0", "--flower-port", "0"]):
        second = refused(tmp_path, *flags, "--data-dir", str(oddly_named.data_dir))
        assert second.running.returncode == 3
        assert f"process {oddly_named.running.pid}, at {oddly_named.url}" in second.output
    assert httpx.get(f"{oddly_named.url}/healthz", **LOCAL).status_code == 200


def test_the_database_of_a_data_directory_is_held_with_it(oddly_named: Meadow, tmp_path: Path) -> None:
    second = refused_on(f"sqlite:///{quote(str(oddly_named.data_dir / 'meadow.db'))}", tmp_path)
    assert second.running.returncode == 3
    assert f"in use by process {oddly_named.running.pid}, at {oddly_named.url}. Stop" in second.output


@pytest.mark.parametrize("setting", ["--host 0.0.0.0", "--flower-host 0.0.0.0", "--public-url https://lab.example"])
def test_an_address_that_others_reach_is_refused_without_an_account(tmp_path: Path, setting: str) -> None:
    ports = ("--port", "0", "--flower-port", "0")
    process = refused(tmp_path, *ports, *setting.split(), "--data-dir", str(tmp_path / "data"))
    assert process.running.returncode == 2
    assert process.output.startswith(f"{setting}: other machines can reach this address, and there is no account yet.")
    assert f"users add NAME --role admin --data-dir {tmp_path / 'data'}" in process.output


def test_a_newer_database_ends_it_with_a_sentence(tmp_path: Path) -> None:
    folder = lay_data(tmp_path / "data")
    engine = create_engine(f"sqlite:///{folder / 'meadow.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    process = refused(tmp_path, "--port", "0", "--flower-port", "0", "--data-dir", str(folder))
    assert process.running.returncode == 1
    assert "written by a newer Meadow" in process.output
    assert "Traceback" not in process.output


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    process = refused(tmp_path, "--port", "0", "--flower-port", "0", "--data-dir", str(tmp_path / "file" / "data"))
    assert process.running.returncode == 2
    assert f"--data-dir {tmp_path / 'file' / 'data'}" in process.output


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://x/y", "mysql is not supported. Supported are sqlite:"),
        ("nonsense", "not a database URL. Examples are sqlite:"),
        ("postgresql+asyncpg://u:open-sesame@127.0.0.1:1/y", "the driver asyncpg is not installed"),
        ("postgresql://u:open-sesame@127.0.0.1:1/y", "The database cannot be used: connection"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_in_words(tmp_path: Path, url: str, said: str) -> None:
    ports = ["--port", "0", "--flower-port", "0", "--data-dir", str(tmp_path / "data")]
    process = refused(tmp_path, *ports, "--database-url", url)
    assert process.running.returncode == 1
    assert said in process.output
    assert "--database-url" in process.output
    assert "Traceback" not in process.output
    assert "open-sesame" not in process.output


def test_an_address_of_ipv6_stands_in_brackets(tmp_path: Path) -> None:
    hosts = ["--host", "::1", "--flower-host", "::1", "--port", "0", "--flower-port", "0"]
    command = ["-m", "webapp", *hosts, "--data-dir", str(tmp_path / "data")]
    first = RealProcess(command, tmp_path / "first.log", preloaded=True)
    first.start()
    try:
        first.wait_for_output("clients join at [::1]:")
        (url,) = set(re.findall(r"http://\[::1\]:\d+", first.output))
        second = refused(tmp_path, *hosts, "--data-dir", str(tmp_path / "data"))
        assert (second.running.returncode, f"at {url}. Stop that dashboard" in second.output) == (3, True)
        assert httpx.get(f"{url}/healthz", **LOCAL).status_code == 200
        assert first.interrupt() == 0
    finally:
        first.kill()
