"""The audit log: its chain in both databases, what breaks it, and floods of attempts that change nothing."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from webapp.__main__ import main
from webapp.db.audit_chain import CONTENT, START, entry_hash, verify
from webapp.db.database import Database
from webapp.db.migrations import migrate_database
from webapp.db.repository.audit.entries import all_entries
from webapp.operations.audit.attempts import ANONYMOUS, SERVER, Actor, Attempt, Outcome
from webapp.operations.audit.log import AuditLog
from webapp.operations.audit.repeats import MAX_KINDS, WINDOW_SECONDS, Repeats

Rows = list[dict[str, Any]]
ADA = Actor("user", "ada", 1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    migrate_database(database_url)
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'meadow.db'}"
    migrate_database(url)
    made = Database(url)
    yield made
    made.close()


def rows_of(database: Database) -> Rows:
    with database.read() as session:
        return list(all_entries(session))


def test_writers_with_connections_of_their_own_make_one_chain(database: Database, database_url: str) -> None:
    others = [Database(database_url) for _ in range(3)]

    def write(writer: Database, number: int) -> None:
        log = AuditLog(writer)
        for one in range(20):
            log.record(Attempt(ADA, f"step {number}", target=f"run {one}", detail={"é": ["\x00", None, 1.5]}))

    threads = [threading.Thread(target=write, args=(one, n)) for n, one in enumerate([database, *others])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for other in others:
        other.close()
    rows = rows_of(database)
    assert [row["id"] for row in rows] == list(range(1, 81))
    assert verify(rows).fault == ""
    assert [row["target"] for row in rows if row["action"] == "step 2"] == [f"run {n}" for n in range(20)]


def test_the_database_refuses_to_change_and_to_delete_entries(database: Database) -> None:
    AuditLog(database).record(Attempt(ADA, "POST /api/runs"))
    for statement in ("UPDATE audit_entries SET actor = 'bob'", "DELETE FROM audit_entries"):
        with pytest.raises(DBAPIError, match="append-only"), database.write() as session:
            session.execute(text(statement))
    assert [row["actor"] for row in rows_of(database)] == ["ada"]


def chain(number: int) -> Rows:
    rows: Rows = []
    for one in range(1, number + 1):
        row = {"id": one, **Attempt(ADA, f"step {one}").values(), "previous": rows[-1]["hash"] if rows else START}
        rows.append({**row, "hash": entry_hash(row)})
    return rows


def rehashed(row: dict[str, Any], **values: Any) -> dict[str, Any]:
    changed = {**row, **values}
    return {**changed, "hash": entry_hash(changed)}


def inserted(rows: Rows) -> Rows:
    """Put a new entry in the place of the third, and move the others up by one, with their old hashes."""
    new = rehashed(rows[1], id=3, previous=rows[1]["hash"])
    return [*rows[:2], new, *(rehashed(row, id=row["id"] + 1) for row in rows[2:])]


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda rows: rows[:2] + rows[3:], "entry 3 is missing: entry 4 comes after 2"),
        (lambda rows: rows[1:], "entry 1 is missing: entry 2 comes after 0"),
        (lambda rows: [*rows[:2], *(rehashed(r, id=r["id"] - 1) for r in rows[3:])], "entry 3 does not continue"),
        (lambda rows: [*rows[:2], rehashed(rows[2], actor="bob"), *rows[3:]], "entry 4 does not continue entry 3"),
        (inserted, "entry 4 does not continue entry 3"),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "entry 1 is missing"),
    ],
)
def test_the_first_broken_entry_is_named(damage: Callable[[Rows], Rows], fault: str) -> None:
    rows = chain(6)
    assert verify(rows) == verify(rows, rows[3]["hash"].upper().lower())
    assert fault in verify(damage(rows)).fault


@pytest.mark.parametrize("column", CONTENT)
def test_each_column_is_covered_by_the_hash(column: str) -> None:
    rows = chain(3)
    other = {"at": rows[1]["at"] + timedelta(microseconds=1), "detail": {"a": 1}, "actor_id": 2, "status": 200, "id": 7}
    rows[1] = {**rows[1], column: other.get(column, "0" * 64)}
    assert verify(rows).fault


def test_a_tail_that_was_cut_off_is_found_with_a_head_that_was_noted(
    small: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    log = AuditLog(small)
    for number in range(4):
        log.record(Attempt(ADA, f"step {number}"))
    head = rows_of(small)[-1]["hash"]
    assert f"audit entry 4, hash {head}: user ada: step 3, done" in caplog.text
    data = ["--data-dir", str(tmp_path)]
    assert main(["audit", "verify", *data]) == 0
    assert f"4 entries, each continues the one before. Head: {head}" in capsys.readouterr().out
    with small.write() as session:
        session.execute(text("DROP TRIGGER audit_entries_no_DELETE"))
        session.execute(text("DELETE FROM audit_entries WHERE id = 4"))
    assert main(["audit", "verify", *data]) == 0
    assert main(["audit", "verify", "--head", head, *data]) == 1
    assert "entries at the end are missing" in capsys.readouterr().err
    with small.write() as session:
        session.execute(text("DELETE FROM audit_entries WHERE id = 2"))
    assert main(["audit", "verify", *data]) == 1
    assert "entry 2 is missing: entry 3 comes after 1" in capsys.readouterr().err
    assert main(["audit", "verify", "--data-dir", str(tmp_path / "none")]) == 1


def test_an_export_holds_what_another_program_needs_to_check_the_hashes(
    small: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = AuditLog(small)
    log.record(Attempt(Actor("user", "eve\r\nadmin", 2), "POST /x", detail={"name": "a\nb", "long": "y" * 5000}))
    log.record(Attempt(SERVER, "auto-resume", target="run 1", detail={"many": {str(n): "x" * 900 for n in range(9)}}))
    file = tmp_path / "audit.jsonl"
    assert main(["audit", "export", str(file), "--data-dir", str(tmp_path)]) == 0
    assert main(["audit", "export", str(file), "--data-dir", str(tmp_path)]) == 1
    assert "cannot be written: File exists" in capsys.readouterr().err
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert (first["actor"], first["detail"]["name"]) == ("eve  admin", "a b")
    assert second["detail"] == {"omitted": "too long"}
    for entry in (first, second):
        assert entry_hash({**entry, "at": datetime.fromisoformat(entry["at"])}) == entry["hash"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_order_of_entries_is_that_of_their_ids_when_the_clock_is_set_back(small: Database) -> None:
    log, now = AuditLog(small), datetime.now(UTC)
    for hours in (0, -5, 3, -1):
        log.record(Attempt(ADA, f"at {hours}", at=now + timedelta(hours=hours)))
    assert [row["action"] for row in rows_of(small)] == ["at 0", "at -5", "at 3", "at -1"]
    assert verify(rows_of(small)).fault == ""


def refused(address: str, action: str = "GET /api/runs", actor: Actor = ANONYMOUS, target: str = "") -> Attempt:
    return Attempt(actor, action, Outcome.REFUSED, target, address, 401)


def test_a_flood_of_refused_attempts_becomes_few_entries_that_count_it(small: Database) -> None:
    now = [0.0]
    log = AuditLog(small, Repeats(lambda: now[0]))
    for number in range(5000):
        log.record(refused("192.0.2.1", target=f"/{number}"))
        log.record(refused(f"2001:db8::{number:x}"))  # one network
        log.record(refused(f"10.0.{number // 250}.{number % 250}"))
    log.record(Attempt(ADA, "POST /api/runs"))
    assert len(rows_of(small)) == MAX_KINDS + 2
    now[0] = WINDOW_SECONDS - 1
    log.settle()
    assert len(rows_of(small)) == MAX_KINDS + 2
    now[0] = WINDOW_SECONDS
    log.settle()
    counts = {row["action"]: row["detail"]["repeated"] for row in rows_of(small)[MAX_KINDS + 2 :]}
    assert counts["various"] == 5000 - (MAX_KINDS - 2) - 1
    by_address = {row["address"]: row["detail"]["repeated"] for row in rows_of(small)[MAX_KINDS + 2 :]}
    assert (by_address["192.0.2.1"], by_address["2001:db8::1387"]) == (4999, 4999)
    log.record(refused("192.0.2.1"))
    assert rows_of(small)[-1]["address"] == "192.0.2.1" and "repeated" not in rows_of(small)[-1]["detail"]


def test_what_a_person_may_not_do_is_told_for_each_target(small: Database) -> None:
    log = AuditLog(small)
    for _ in range(3):
        for run in (1, 2):
            log.record(refused("192.0.2.1", "POST /runs/{run_id}/stop", ADA, f"run {run}"))
    assert [row["target"] for row in rows_of(small)] == ["run 1", "run 2"]
    log.stop()
    assert [row["detail"].get("repeated") for row in rows_of(small)] == [None, None, 2, 2]
