"""Two dashboards on one database: the second is refused, and one that loses the database writes nothing more."""

import errno
import fcntl
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.support.asked import asked
from tests.support.at_work import at_work
from tests.support.dashboard import running
from tests.support.engine import Engine
from tests.support.postgres import emptied
from tests.support.processes import refused_on, wait_until
from tests.support.proxy import Proxy
from webapp.db.database import Database
from webapp.db.database_url import DatabaseUnusable
from webapp.db.failures import DatabaseUnavailable
from webapp.db.instance_lock import InstanceLock, take_database
from webapp.lock_file import DataInUse, LockFile
from webapp.operations.event_hub import EventHub
from webapp.operations.metrics.readiness import reasons_not_ready
from webapp.parts import open_parts
from webapp.settings import Settings

pytestmark = pytest.mark.slow


def test_a_second_dashboard_on_the_same_database_is_refused_and_changes_nothing(
    shared_url: str, tmp_path: Path
) -> None:
    with at_work(tmp_path, shared_url) as (first, api, run_id):
        second = refused_on(shared_url, tmp_path)
        assert second.running.returncode == 3
        assert f"process {first.running.pid}" in second.output
        assert f"at {first.url}. Stop that dashboard" in second.output
        assert "--database-url" in second.output
        at = api.run(run_id)["current_round"]
        wait_until(lambda: api.run(run_id)["current_round"] > at)
        assert api.run(run_id)["state"] == "running"
        first.kill()
        with running(tmp_path / "third", database_url=shared_url) as third:  # what a killed dashboard held is free
            assert third.run(run_id)["state"] == "interrupted"


def test_a_dashboard_within_another_process_is_refused_too(shared_url: str, tmp_path: Path) -> None:
    with running(tmp_path / "first", database_url=shared_url) as first:
        run_id = first.start_run()
        with socket.create_server(("127.0.0.1", 0)) as sock, pytest.raises(DataInUse, match="is in use by process"):
            open_parts(Settings(data_dir=tmp_path / "second", database_url=shared_url), EventHub(), sock)
        assert first.run(run_id)["state"] == "waiting"
    with running(tmp_path / "first", database_url=shared_url) as again:
        assert again.run(run_id)["state"] == "interrupted"


def test_a_dashboard_whose_database_is_taken_over_writes_no_more_and_ends(postgres: str, tmp_path: Path) -> None:
    url = emptied(postgres)
    with at_work(tmp_path, url) as (meadow, _api, _run_id), taken_over(url):
        assert meadow.wait(20) == 3
        assert "Another dashboard has taken over the database" in meadow.output
        assert "Traceback" not in meadow.output
    engine = create_engine(url)
    with engine.connect() as connection:
        state, last = connection.execute(text("SELECT state, current_round FROM runs")).one()
        rounds = connection.scalars(text("SELECT round FROM rounds ORDER BY round")).all()
    engine.dispose()
    assert (state, rounds) == ("running", list(range(last + 1))), "what became of it the other one says"


@contextmanager
def taken_over(url: str) -> Iterator[None]:
    """Wait in line for the lock of a dashboard, and end the connection that has it."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as ours, engine.connect() as another:
        pid, *key = another.execute(
            text("SELECT pid, classid::int8, objid::int8 FROM pg_locks WHERE locktype = 'advisory'")
        ).one()
        taking = threading.Thread(target=ours.exec_driver_sql, args=(f"SELECT pg_advisory_lock({key[0]}, {key[1]})",))
        taking.start()
        waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        wait_until(lambda: another.scalar(waits))
        another.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        taking.join(10)
        try:
            yield
        finally:
            ours.close()
            another.close()
            engine.dispose()


def test_a_database_whose_encoding_does_not_hold_every_text_is_refused(postgres: str, tmp_path: Path) -> None:
    engine = create_engine(emptied(postgres), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'"))
    engine.dispose()
    other = make_url(postgres).set(database="ascii").render_as_string(hide_password=False)
    with pytest.raises(DatabaseUnusable, match=r"its encoding is SQL_ASCII.*createdb -E UTF8"):
        take_database(other, tmp_path / "unused.lock")


def test_two_schemas_of_one_database_are_two_dashboards(postgres: str, tmp_path: Path) -> None:
    engine = create_engine(emptied(postgres))
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS another"))
    engine.dispose()
    first = take_database(postgres, tmp_path / "unused.lock")
    second = take_database(f"{postgres}&options=-csearch_path%3Danother", tmp_path / "unused.lock")
    first.close()
    second.close()


@contextmanager
def locked(url: str, folder: Path) -> Iterator[tuple[InstanceLock, Database]]:
    """An empty table under the lock of a dashboard that does nothing else."""
    lock = take_database(url, folder / "unused.lock")
    database = Database(url, instance_lock=lock)
    try:
        with database.write() as session:
            session.execute(text("CREATE TABLE written (number int)"))
        yield lock, database
    finally:
        database.close()
        lock.close()


def numbers(database: Database) -> list[int]:
    with database.read() as session:
        return list(session.scalars(text("SELECT number FROM written ORDER BY number")))


def insert(database: Database, number: int) -> None:
    with database.write() as session:
        session.execute(text("INSERT INTO written VALUES (:number)"), {"number": number})


def is_inserted(database: Database, number: int) -> bool:
    """Insert a number; False where the database is not available."""
    try:
        insert(database, number)
    except DatabaseUnavailable:
        return False
    return True


def end_connection_of_lock(url: str) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        locks = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        assert connection.scalars(text(locks)).all() == [True]
    engine.dispose()


def test_the_lock_adds_no_statement_to_a_write(postgres: str, tmp_path: Path) -> None:
    with locked(emptied(postgres), tmp_path) as (lock, database):
        assert lock.writer is not None
        with asked(lock.writer) as statements:
            insert(database, 1)
        assert [statement.split()[0] for statement, _ in statements] == ["INSERT"]


def test_nothing_is_committed_once_the_lock_is_gone_and_the_next_write_takes_it_again(
    postgres: str, tmp_path: Path
) -> None:
    with locked(emptied(postgres), tmp_path) as (lock, database):

        def lose_the_lock_within_a_transaction() -> None:
            with database.write() as session:
                session.execute(text("INSERT INTO written VALUES (1)"))
                end_connection_of_lock(postgres)

        with pytest.raises(DatabaseUnavailable):
            lose_the_lock_within_a_transaction()
        wait_until(lambda: is_inserted(database, 2))
        assert (numbers(database), lock.lost) == ([2], None)
        with pytest.raises(DataInUse):
            take_database(postgres, tmp_path / "unused.lock")


def test_an_idle_dashboard_whose_database_is_taken_over_learns_it_and_never_writes_again(
    postgres: str, tmp_path: Path, engine: Engine
) -> None:
    with locked(emptied(postgres), tmp_path) as (lock, database):
        with taken_over(postgres):
            wait_until(lambda: lock.lost, what="the lock is known to be lost")
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable, match="Another dashboard has taken over the database"):
                insert(database, 1)
        assert numbers(database) == [], "reading goes on"
        reasons = list(reasons_not_ready(database, engine.server, lock, tmp_path, None))
        assert reasons == ["Another dashboard has taken over the database."]


def test_a_lock_is_taken_again_although_the_server_has_not_noticed_that_its_connection_broke(
    postgres: str, tmp_path: Path
) -> None:
    folder = make_url(emptied(postgres)).query["host"]
    with (
        Proxy(f"{folder}/.s.PGSQL.5432").running() as proxy,
        locked(f"postgresql://meadow@{proxy.address}/postgres", tmp_path) as (lock, database),
    ):
        proxy.cut_unnoticed_by_the_server()
        wait_until(lambda: is_inserted(database, 1))
        assert (numbers(database), lock.lost) == ([1], None)
        with pytest.raises(DataInUse):
            take_database(postgres, tmp_path / "unused.lock")


def test_a_file_system_without_locks_is_not_taken_for_another_dashboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", has_no_locks)
    with pytest.raises(OSError, match="No locks available"):
        LockFile(tmp_path / "meadow.lock", "data directory", "data-dir")
    with pytest.raises(DatabaseUnusable, match="cannot be made or locked: No locks available"):
        take_database(f"sqlite:///{tmp_path / 'elsewhere.db'}", tmp_path / "meadow.lock")
