"""One writer at a time, and the same story on SQLite and PostgreSQL."""

import subprocess
import sys
import threading
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from federation.run.states import RunState
from tests.support.books import Books
from webapp.db.database import Database, DatabaseUnavailable
from webapp.db.repository.client_history import recent_outcomes, shares_of_client
from webapp.db.repository.clients import client_names, insert_client
from webapp.db.repository.events import add_event, events_after
from webapp.db.repository.metrics import points_after
from webapp.db.repository.series import read_series, values_of
from webapp.operations.run_requests import RunRequest
from webapp.problems import Invalid


@pytest.fixture
def books_url(database_url: str) -> str:
    return database_url


def test_a_run_is_recorded_the_same_on_either_database(books: Books) -> None:
    a, b = books.add_clients("Zürich ✓", "site-b")
    run_id = books.start_run(num_rounds=2, name="Ward “tablets”")
    for number in range(3):
        books.play_round(run_id, number, [a, b], loss=nan if number == 1 else 1 / (1 + number), accuracy=0.3 * number)
    assert books.runs.move(run_id, RunState.COMPLETED, "all rounds are done")

    run = books.runs.show(run_id)
    assert (run.name, run.state, run.current_round) == ("Ward “tablets”", "completed", 2)
    assert run.best_metrics["train_loss"].round == 2
    assert run.started_at is not None
    assert run.started_at.tzinfo is not None
    assert run.elapsed_seconds is not None
    with books.database.read() as session:
        points = points_after(session, run_id, whose=["aggregate"], names=["loss"], phases=["evaluate"])
        assert client_names(session) == {a: "Zürich ✓", b: "site-b"}
        events = events_after(session, 0, run_id, 100)
    assert [point.kind for point in points] == ["finite", "nan", "finite"]
    assert [event.id for event in events] == [event.id for event in books.published]
    assert [row.name for row in books.runs.list([RunState.COMPLETED], "TABLETS", 10, 0)[0]] == ["Ward “tablets”"]

    books.runs.delete(run_id)
    assert books.runs.list((), "", 10, 0) == ([], 0)
    assert books.start_run() == run_id + 1, "an id does not come back"


def test_histories_are_the_same_on_either_database(books: Books) -> None:
    a, b = books.add_clients("site-a", "Å “b”")
    run_id = books.start_run(num_rounds=6)
    for number in range(7):
        books.play_round(run_id, number, [a] if number in (3, 4) else [a, b], accuracy=0.5)
    with books.database.write() as session:
        assert recent_outcomes(session, [a, b], 5) == {
            a: ["accepted"] * 5,
            b: ["accepted", "away", "away"] + ["accepted"] * 2,
        }
        assert shares_of_client(session, b)[0].outcomes == {"accepted": 5, "away": 2}


def test_a_run_asks_for_clients_by_id_or_by_name_on_either_database(books: Books) -> None:
    a, b = books.add_clients("site-a", "Å “b”")
    made = books.runs.create(RunRequest(clients=["Å “b”", a, "site-a", b], seed=7))
    assert made.config["clients"] == [b, a]
    with pytest.raises(Invalid, match=r"clients.1: No client is named site-z"):
        books.runs.create(RunRequest(clients=[a, "site-z"], seed=7))


def test_a_series_is_the_same_on_either_database_whatever_its_metric_is_called(books: Books) -> None:
    a, b = books.add_clients("site-a", "site-b")
    run_id = books.start_run(num_rounds=3)
    for number in range(4):
        books.play_round(run_id, number, [a, b], **{'f1 "macro", {0}': nan if number == 2 else 0.25 * number})
    with books.database.read() as session:
        series = read_series(session, run_id, "evaluate", "f1 'macro', {0}", after=0)
        of_client = values_of(session, run_id, "evaluate", "f1 'macro', {0}", [b], first=1)[b]
    assert (series["round"].tolist(), series.non_finite) == ([1, 2, 3], {2: "nan"})
    assert [series.mean_in(r) for r in (0, 1, 3)] == [None, 0.25, 0.75]
    assert isnan(series.mean_in(2) or 0.0) and series.spread_in(2) is None
    spread = series.spread_in(3)
    assert spread is not None and spread[:-1] == (2, 0.75, 0.75, 0.75, 0.75, a, 20)
    assert of_client == {1: 0.25, 2: None, 3: 0.75}
    assert series["sent"].tolist() == [12_000, 24_000, 36_000]
    assert (series["elapsed"] > 0).all() and (np.diff(series["elapsed"]) > 0).all()


def test_a_transaction_that_raises_leaves_nothing_and_tells_nothing(books: Books) -> None:
    def fail() -> None:
        with books.database.write() as session:
            insert_client(session, "key", {
                "name": "a", "state": "admitted", "kind": "client", "lane": "stream", "left_out": False,
                "facts": {}, "data": {}, "versions": {},
            })  # fmt: skip
            add_event(session, "client", {"state": "online"})
            raise KeyError("on the way")

    with pytest.raises(KeyError):
        fail()
    with books.database.read() as session:
        assert client_names(session) == {}
    assert books.published == []


def test_events_are_told_in_the_order_of_their_ids_whoever_writes(books: Books) -> None:
    def write() -> None:
        for _ in range(25):
            with books.database.write() as session:
                add_event(session, "client", {"state": "online"})

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    ids = [event.id for event in books.published]
    assert (len(ids), ids) == (100, sorted(ids))


def test_many_read_while_one_writes(books: Books) -> None:
    (a,) = books.add_clients("site-a")
    run_id = books.start_run(num_rounds=1000)
    failures: list[Exception] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                books.runs.show(run_id)
            except Exception as error:
                failures.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(40):
        books.play_round(run_id, number, [a], loss=1.0)
    over.set()
    for reader in readers:
        reader.join(10)
    assert (failures, books.runs.show(run_id).current_round) == ([], 39)


def test_a_writer_waits_while_another_process_holds_the_file(tmp_path: Path) -> None:
    books = Books(f"sqlite:///{tmp_path / 'meadow.db'}", tmp_path / "runs")
    run_id = books.start_run(num_rounds=3)
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path / "meadow.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        writer = threading.Thread(target=books.play_round, args=(run_id, 1, []), kwargs={"loss": 1.0})
        writer.start()
        writer.join(1.0)
        assert writer.is_alive(), "it wrote although the file was held"
        holder.stdin.close()
        writer.join(10)
        assert not writer.is_alive()
    finally:
        holder.stdout.close()
        holder.kill()
        holder.wait(10)
    assert books.runs.show(run_id).current_round == 1
    books.close()


_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("COMMIT")
"""


def test_sqlite_is_opened_as_agreed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'meadow.db'}")
    with database.read() as session:
        pragmas = {
            name: session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    database.close()
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 15_000}


def test_a_dashboard_that_is_out_of_connections_does_not_blame_the_server(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'meadow.db'}")
    with pytest.raises(DatabaseUnavailable) as caught, database.read():
        raise PoolTimeout("QueuePool limit of size 10 overflow 40 reached")
    database.close()
    assert caught.value.sentence == "The database cannot be used now: all connections of the dashboard are in use."
