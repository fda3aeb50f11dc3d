"""The wall clock of the machine is set while a run is active: durations, deadlines and the queue do not notice."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from federation.run.events import Blocked
from federation.run.states import RunState
from tests.support.books import Books
from webapp.db.repository.run_list import RunFilter, find_runs
from webapp.db.repository.runs import get_run
from webapp.db.repository.series import read_series
from webapp.db.tables import Round, Run, UtcTime
from webapp.operations.rows import iso
from webapp.pages.measure import measure_of
from webapp.pages.runs.head import RunHead, head_of


@pytest.fixture
def books_url(database_url: str) -> str:
    return database_url


def set_clock(books: Books, ahead: timedelta) -> None:
    """Make every stored moment what it would be if the clock had been set ahead, or back, since."""
    with books.database.write() as session:
        for run in session.scalars(select(Run)):
            for column in Run.__table__.columns:
                if isinstance(column.type, UtcTime) and (moment := getattr(run, column.name)) is not None:
                    setattr(run, column.name, moment - ahead)
            if run.blocked_on is not None:
                moments = {name: datetime.fromisoformat(run.blocked_on[name]) for name in ("since", "deadline")}
                run.blocked_on = run.blocked_on | {name: iso(moment - ahead) for name, moment in moments.items()}


def head(books: Books, run_id: int) -> RunHead:
    with books.database.read() as session:
        run = get_run(session, run_id)
        assert run is not None
        measure = measure_of([run], "evaluate", "")
        return head_of(session, run, measure, read_series(session, run_id, "evaluate", measure.name), {})


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=3650), -timedelta(hours=1)], ids=str)
def test_elapsed_time_and_deadlines_survive_a_clock_that_is_set(books: Books, ahead: timedelta) -> None:
    [client] = books.add_clients("site-a")
    other, run_id = books.start_run(num_rounds=3), books.start_run(num_rounds=3)
    assert books.runs.move(other, RunState.STOPPED)
    with books.database.write() as session:
        session.get_one(Run, other).active_seconds = 100.0
    books.play_round(run_id, 0, [client], loss=1.0)
    books.runs.record(Blocked(run_id, "quorum", "1 of 2 clients", 600))
    set_clock(books, ahead)
    assert 0 <= (books.runs.show(run_id).elapsed_seconds or 0) < 60
    wait = head(books, run_id).wait
    assert wait is not None and wait.left_seconds is not None and wait.whole_seconds is not None
    assert 540 < wait.left_seconds <= wait.whole_seconds < 660
    with books.database.read() as session:
        assert [run.id for run in find_runs(session, RunFilter(sort="longest"), 10)[0]] == [other, run_id]
    books.play_round(run_id, 1, [client], loss=1.0)
    assert books.runs.move(run_id, RunState.STOPPED)
    assert 0 < (books.runs.show(run_id).elapsed_seconds or 0) < 60


def test_no_curve_follows_a_clock_that_is_set(books: Books) -> None:
    [client] = books.add_clients("site-a")
    run_id = books.start_run(num_rounds=3)
    for number in range(4):
        books.play_round(run_id, number, [client], loss=1.0)
        with books.database.write() as session:
            jump = timedelta(days=3650 if number % 2 else -3650)
            session.execute(update(Round).where(Round.round == number).values(committed_at=datetime.now(UTC) + jump))
    with books.database.read() as session:
        elapsed = read_series(session, run_id, "evaluate", "loss")["elapsed"].tolist()
        active = session.scalar(select(Run.active_seconds).where(Run.id == run_id))
    assert elapsed == sorted(elapsed) and 0 < elapsed[0] < elapsed[-1] == active


def test_a_run_is_queued_behind_the_others_though_the_clock_was_set_back(books: Books) -> None:
    active, first, second = books.start_run(), books.start_run(), books.start_run()
    for run_id in (first, second):
        assert books.runs.move(run_id, RunState.STOPPED) and books.runs.move(run_id, RunState.QUEUED)
    set_clock(books, -timedelta(hours=1))
    assert books.runs.move(active, RunState.STOPPED) and books.runs.move(active, RunState.QUEUED)
    assert [books.runs.show(run_id).queue_position for run_id in (first, second, active)] == [1, 2, 3]


def test_the_time_of_a_killed_process_is_kept_up_to_its_last_round(books: Books) -> None:
    [client] = books.add_clients("site-a")
    run_id = books.start_run(num_rounds=3)
    books.play_round(run_id, 0, [client], loss=1.0)
    with books.database.read() as session:
        kept = session.scalar(select(Run.active_seconds).where(Run.id == run_id))
    assert kept is not None and kept > 0
    with books.database.write() as session:
        session.get_one(Run, run_id).measured_at = 1e12  # a reading of another machine's clock
    books.runs.restore()
    run = books.runs.show(run_id)
    assert (run.state, run.elapsed_seconds) == (RunState.INTERRUPTED, kept)
