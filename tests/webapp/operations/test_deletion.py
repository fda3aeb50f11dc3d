"""A deleted run is gone at once; its rows and files go in slices, between which the active run commits its rounds."""

import logging
from pathlib import Path

import pytest
from sqlalchemy import func, select

from federation.run.states import RunState
from tests.support.asked import asked
from tests.support.books import Books
from tests.support.processes import wait_until
from webapp.db.repository.client_history import recent_outcomes
from webapp.db.repository.metrics import insert_points
from webapp.db.repository.upkeep.retention import RetentionLimits
from webapp.db.tables import Row, Run
from webapp.operations.files.deletion import SLICE_ROWS, RunDeletion, delete_folder
from webapp.problems import NotFound


@pytest.fixture
def books_url(database_url: str) -> str:
    return database_url


def rows_of(books: Books, run_id: int) -> int:
    with books.database.read() as session:
        of_runs = [table.c.run_id for table in Row.metadata.tables.values() if "run_id" in table.c]
        counts = [session.scalar(select(func.count()).where(column == run_id)) for column in of_runs]
        return sum(map(int, filter(None, counts))) + (session.get(Run, run_id) is not None)


def long_run(books: Books, client_id: int, points: int) -> int:
    """Make an ended run of two rounds with so many more points."""
    run_id = books.start_run(num_rounds=2)
    books.play_round(run_id, 0, [client_id], loss=1.0)
    books.play_round(run_id, 1, [client_id], loss=1.0)
    row = {"run_id": run_id, "round": 1, "phase": "train", "client_id": client_id, "name": "x", "value": 1.0}
    with books.database.write() as session:
        insert_points(session, [{**row, "kind": "finite"}] * points)
    assert books.runs.move(run_id, RunState.STOPPED)
    return run_id


def test_a_run_commits_while_another_is_deleted_slice_by_slice(books: Books) -> None:
    [client] = books.add_clients("site-a")
    gone, active = long_run(books, client, 40 * SLICE_ROWS), books.start_run(num_rounds=9)
    books.deletion.start()
    books.runs.delete(gone)
    with pytest.raises(NotFound):
        books.runs.show(gone)
    assert [run.id for run in books.runs.list((), "", 10, 0)[0]] == [active]
    with books.database.read() as session:
        assert recent_outcomes(session, [client], 5) == {}
    books.play_round(active, 0, [client], loss=1.0)
    assert rows_of(books, gone) > 10 * SLICE_ROWS, "the round did not wait for the deletion"
    wait_until(lambda: rows_of(books, gone) == 0, 60, "all rows of the run are deleted")
    assert [row.current_round for row in books.runs.list((), "", 10, 0)[0]] == [0]
    assert not books.runs.move(gone, RunState.QUEUED)


def test_a_transaction_of_the_deletion_is_small_and_the_next_process_goes_on(books: Books, tmp_path: Path) -> None:
    [client] = books.add_clients("site-a")
    gone = long_run(books, client, 3 * SLICE_ROWS)
    (tmp_path / "runs" / str(gone)).mkdir(parents=True)
    books.runs.delete(gone)  # the process ends before its deletion begins
    assert rows_of(books, gone) > 3 * SLICE_ROWS
    later = RunDeletion(books.database, tmp_path / "runs", RetentionLimits())
    with asked(books.database.engine) as statements:
        later.start()
        wait_until(lambda: rows_of(books, gone) == 0, 30, "the next process deletes the rest")
    later.stop()
    assert not (tmp_path / "runs" / str(gone)).exists()
    deletes = [text for text, _ in statements if text.startswith("DELETE FROM metric_points")]
    assert len(deletes) >= 4
    assert all("LIMIT" in text for text in deletes)


def test_a_folder_that_cannot_be_deleted_is_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    delete_folder(tmp_path / "none")
    file = tmp_path / "file"
    file.write_text("in place of a folder")
    with caplog.at_level(logging.WARNING):
        delete_folder(file)
    [record] = caplog.records
    assert str(file) in record.getMessage()
    assert "delete them yourself" in record.getMessage()
