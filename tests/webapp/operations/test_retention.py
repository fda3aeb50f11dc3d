"""Checkpoints and events of old runs are removed as the settings say; what people look at of a run stays."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from federation.run.states import RunState
from tests.support.books import Books
from tests.support.dashboard import Dashboard, finished_run, running
from tests.support.markup import get_both
from tests.support.processes import wait_until
from webapp.db.repository.events import add_event, newest_events
from webapp.db.repository.metrics import points_after
from webapp.db.repository.rounds import count_rounds
from webapp.db.repository.runs import set_values
from webapp.db.repository.upkeep.retention import RetentionLimits, move_contents
from webapp.db.tables import Run, RunContents
from webapp.operations.files.retention import GRACE_SECONDS, SLICE_EVENTS, Retention

NOW = datetime.now(UTC)


@pytest.fixture
def books_url(database_url: str) -> str:
    return database_url


def ended_run(books: Books, folder: Path, days: float, **values: object) -> int:
    """Make a run that ended so many days ago, with a checkpoint of 1,000 bytes."""
    [client] = books.add_clients(f"site-{days}")
    run_id = books.start_run(num_rounds=2)
    books.play_round(run_id, 0, [client], loss=1.0)
    assert books.runs.move(run_id, RunState.STOPPED)
    with books.database.write() as session:
        at = NOW - timedelta(days=days)
        set_values(session, run_id, created_at=at, finished_at=at, **values)
    (folder / str(run_id)).mkdir(parents=True)
    (folder / str(run_id) / "round-000000.weights").write_bytes(b"w" * 1000)
    return run_id


def whole(books: Books, folder: Path) -> set[int]:
    """Return the runs that have checkpoints and events; each has both, or neither but what tells of the removal."""
    found = set()
    with books.database.read() as session:
        for run_id in [run.id for run in books.runs.list((), "", 100, 0)[0]]:
            kinds = [event.type for event in newest_events(session, run_id=run_id)]
            removed = kinds == ["note"] and not list((folder / str(run_id)).glob("*"))
            run = session.get(Run, run_id)
            assert run is not None and run.contents == (RunContents.REMOVED if removed else RunContents.WHOLE)
            found |= set() if removed else {run_id}
    return found


def test_the_newest_runs_keep_their_contents_and_no_pinned_or_active_run_loses_any(
    books: Books, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "runs"
    oldest = ended_run(books, folder, 5)
    pinned = ended_run(books, folder, 4, pinned=True)
    stale = ended_run(books, folder, 3)
    kept = {ended_run(books, folder, days) for days in (2, 1)}
    active, queued = books.start_run(), books.start_run()
    with books.database.write() as session:
        set_values(session, queued, state="queued")
    retention = Retention(books.database, folder, RetentionLimits(runs=2))
    with caplog.at_level(logging.INFO):
        retention.remove_expired(Event())
    assert whole(books, folder) == {pinned, *kept, active, queued}
    assert [removal.run_id for removal in retention.newest] == [stale, oldest]
    said = "1 file of checkpoints (1\u202fkB) and 5 events; rounds and metrics are kept"
    with books.database.read() as session:
        [note] = newest_events(session, run_id=oldest)
        assert note.data == {"sentence": f"Retention removed {said}"}
        assert count_rounds(session, oldest) == 1 and len(points_after(session, oldest)) == 4
    assert f"run {oldest}: Retention removed {said}" in caplog.text
    retention.remove_expired(Event())
    assert len(retention.newest) == 2


def test_runs_keep_their_contents_for_days_and_where_both_limits_are_set_as_long_as_either_says(
    books: Books, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    ids = [ended_run(books, folder, days) for days in (40, 31, 29.9)]
    for limits in (RetentionLimits(), RetentionLimits(runs=3, days=1)):
        remove_after_grace(books, folder, limits)
        assert whole(books, folder) == set(ids)
    remove_after_grace(books, folder, RetentionLimits(days=30))
    assert whole(books, folder) == {ids[2]}
    remove_after_grace(books, folder, RetentionLimits(days=1))
    assert whole(books, folder) == {ids[2]}, "the run that ended last keeps them"


def remove_after_grace(books: Books, folder: Path, limits: RetentionLimits) -> None:
    now = [0.0]
    retention = Retention(books.database, folder, limits, lambda: now[0])
    for now[0] in (0.0, GRACE_SECONDS):
        retention.remove_expired(Event())


def test_a_clock_that_jumps_has_no_run_removed(books: Books, tmp_path: Path) -> None:
    folder, now = tmp_path / "runs", [0.0]
    old, before = ended_run(books, folder, 40), ended_run(books, folder, 2)
    behind, last = ended_run(books, folder, 20_000), ended_run(books, folder, 1)
    retention = Retention(books.database, folder, RetentionLimits(days=30), lambda: now[0])
    for now[0] in (0.0, GRACE_SECONDS - 1):  # the clock may be ahead, and be set right within the hour
        retention.remove_expired(Event())
        assert whole(books, folder) == {old, before, behind, last}
    now[0] = GRACE_SECONDS
    retention.remove_expired(Event())
    assert whole(books, folder) == {before, behind, last}, "a run that ended while the clock was behind is not old"
    Retention(books.database, folder, RetentionLimits(runs=2)).remove_expired(Event())
    assert whole(books, folder) == {before, behind, last}, "the newest by number and by end"


def test_a_removal_goes_in_slices_and_the_next_process_completes_it(books: Books, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    run_id, _ = ended_run(books, folder, 2), ended_run(books, folder, 1)
    stopped = Event()
    with books.database.write() as session:
        for _ in range(SLICE_EVENTS):
            add_event(session, "note", {"sentence": "one more"}, run_id=run_id)
        assert move_contents(session, run_id, RunContents.REMOVING, NOW)
    stopped.set()
    Retention(books.database, folder, RetentionLimits(runs=1)).remove_expired(stopped)
    with books.database.read() as session:
        before = len(newest_events(session, run_id=run_id, limit=10_000))
    assert before > SLICE_EVENTS
    books.deletion.start()
    wait_until(lambda: run_id not in {run.id for run in books.runs.list((), "", 9, 0)[0] if run.contents != "removed"})
    assert books.deletion.retention.newest[0].events == before


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Dashboard]:
    with running(tmp_path, keep_runs=1) as dashboard:
        yield dashboard


def test_a_run_without_checkpoints_says_so_and_cannot_be_continued(keeper: Dashboard) -> None:
    first, pinned, last = (finished_run(keeper, num_rounds=1, name=name) for name in ("First", "Pinned", "Last"))
    assert keeper.http.post(f"/api/runs/{pinned}/pin").json()["pinned"]
    keeper.parts.deletion.wake()
    wait_until(lambda: keeper.run(first)["contents"] == "removed")
    assert [keeper.run(run_id)["contents"] for run_id in (pinned, last)] == ["whole", "whole"]
    page = get_both(keeper.http, f"/runs/{first}", "run-page")
    assert "Checkpoints and events were removed" in page.text and "Add rounds" not in page.text
    assert f"/api/runs/{first}/model" not in keeper.http.get(f"/runs/{first}").text
    assert "Pinned" in get_both(keeper.http, f"/runs/{pinned}", "run-page").text
    for address, body in ((f"{first}/rounds", {"add": 1}), (f"{first}/resume", None), (f"{first}/pin", None)):
        refused = keeper.http.post(f"/api/runs/{address}", json=body)
        assert refused.status_code == 409 and "were removed" in refused.text, address
    gone = keeper.http.get(f"/api/runs/{first}/model")
    assert gone.status_code == 404 and "were removed" in gone.text
    assert keeper.rounds(first) == [0, 1]
    server = get_both(keeper.http, "/server", "server-page")
    assert f"#{first} Retention removed " in server.text
    entries = keeper.http.get("/api/audit?action=retention").json()["items"]
    assert [(one["actor_kind"], one["target"]) for one in entries] == [("server", f"run {first}")]
    assert "of the 1 ended run that ended last" in server.text
    assert not keeper.http.post(f"/api/runs/{pinned}/unpin").json()["pinned"]
    keeper.parts.deletion.wake()
    wait_until(lambda: keeper.run(pinned)["contents"] == "removed")
