"""What a run tells becomes rows: a round in one transaction, replies when they are due, nothing after the end."""

from concurrent.futures import ThreadPoolExecutor
from math import inf, nan

import pytest
from sqlalchemy import select

from federation.run.events import AttemptFailed, Blocked, Progress, RoundRefused
from federation.run.metric_goals import BestRound
from federation.run.states import RunState
from tests.support.asked import asked
from tests.support.books import Books, done, reply
from tests.support.processes import wait_until
from webapp.db.repository.metrics import points_after, sparklines
from webapp.db.repository.rounds import list_replies, list_rounds
from webapp.db.tables import MetricPoint, Reply, Round
from webapp.operations.run_moves import get_run, requeue_run


def test_a_round_is_written_whole_and_told_once(books: Books) -> None:
    a, b = books.add_clients("site-a", "site-b")
    run_id = books.start_run(num_rounds=5)
    books.published.clear()

    books.play_round(run_id, 0, [a, b], loss=2.0, accuracy=0.1)
    books.play_round(run_id, 1, [a, b], loss=1.0, accuracy=0.6)

    run = books.runs.show(run_id)
    assert (run.current_round, run.num_rounds) == (1, 5)
    assert run.last_metrics["evaluate_accuracy"] == 0.6
    assert run.best_metrics["evaluate_loss"].model_dump() == {"value": 1.0, "round": 1, "clients": 2}
    assert run.eta_seconds == pytest.approx(4 * 2.0)
    with books.database.read() as session:
        rounds = list_rounds(session, run_id)
        points = points_after(session, run_id)
    assert [row.round for row in rounds] == [0, 1]
    assert rounds[1].outcomes == {"train": {"accepted": 2}, "evaluate": {"accepted": 2}}
    assert (rounds[1].bytes_down, rounds[1].bytes_up) == (4000, 8000)
    assert len(points) == 2 * (4 + 2 * 2 * 2)
    assert [event.type for event in books.published] == ["round", "round"]
    assert books.published[-1].data["last_metric_id"] == points[-1].id
    assert books.published[-1].data["committed"] is True


def test_the_best_of_a_metric_is_claimed_only_where_its_direction_is_known(books: Books) -> None:
    a, b = books.add_clients("site-a", "site-b")
    run_id = books.start_run(num_rounds=5, minimize_metrics="drift")
    for number, value in enumerate((9.0, 1.0, 5.0, 7.0, 8.0), 1):
        books.runs.record(reply(run_id, number, a, "evaluate", mae=value, drift=value, fitness=value, accuracy=0.95))
        books.runs.record(reply(run_id, number, b, "evaluate", mae=0.5, drift=0.5, fitness=0.5, accuracy=0.95))
        books.runs.record(done(
            run_id, number, mae=value, drift=value, fitness=value, accuracy=0.95, loss=0.12 if number == 3 else 0.2
        ))  # fmt: skip

    best = {name: one.round for name, one in books.runs.show(run_id).best_metrics.items()}
    assert {name: best.get(f"evaluate_{name}") for name in ("mae", "drift", "fitness", "accuracy", "loss")} == {
        "mae": 2, "drift": 2, "fitness": None, "accuracy": 3, "loss": 3,
    }  # fmt: skip
    with books.database.read() as session:
        spread = list_rounds(session, run_id)[-1].spread or {}
    assert [spread[f"evaluate_{name}"][5] for name in ("mae", "drift", "fitness")] == [a, a, 0]


def test_a_resumed_run_knows_the_best_of_its_trained_rounds(books: Books) -> None:
    """Else the first checkpoint that it writes deletes that of its best round."""
    run_id = books.start_run(num_rounds=5)
    for number, accuracy in enumerate((0.9, 0.6, 0.5)):
        books.play_round(run_id, number, [], accuracy=accuracy)
    books.runs.move(run_id, RunState.STOPPING)
    books.runs.move(run_id, RunState.STOPPED)
    with books.database.write() as session:
        requeue_run(session, get_run(session, run_id))
    job = books.runs.next_queued()
    assert job is not None
    assert job.best == BestRound(1, 0.6)


def test_an_option_that_changes_nothing_is_accepted_and_the_run_says_so(books: Books) -> None:
    run_id = books.start_run(strategy="FedAdam", strategy_options={"eta_l": 0.3, "eta": 0.2})
    [note] = [event for event in books.published if event.type == "note"]
    assert (note.run_id, note.data["sentence"].startswith("FedAdam ignores eta_l: ")) == (run_id, True)


def test_a_reply_of_a_slow_round_is_written_when_flushed_and_not_again(books: Books) -> None:
    a, b = books.add_clients("site-a", "site-b")
    run_id = books.start_run()
    books.published.clear()

    books.runs.record(reply(run_id, 1, a, loss=1.0))
    books.runs.flush(run_id)
    books.runs.flush(run_id)
    assert [(event.type, event.data["client_id"]) for event in books.published] == [("reply", a)]

    books.runs.record(reply(run_id, 1, b, loss=3.0))
    books.runs.record(done(run_id, 1, loss=2.0))
    with books.database.read() as session:
        assert [row.client for row in list_replies(session, run_id, 1, 1)] == ["site-a", "site-b"]
        losses = {point.client_id: point.value for point in points_after(session, run_id, phases=["train"])}
    assert losses == {None: 2.0, a: 1.0, b: 3.0}


def test_refusals_and_failures_stand_with_their_reasons(books: Books) -> None:
    a, b, c = books.add_clients("site-a", "site-b", "site-c")
    run_id = books.start_run()
    books.runs.record(reply(run_id, 1, a, loss=1.0))
    books.runs.record(reply(run_id, 1, b, "train", "refused", "4 of 10 values are not finite", loss=9.0))
    books.runs.record(reply(run_id, 1, c, "train", "lost", "connection\nlost\x1b[31m"))
    books.runs.record(done(run_id, 1, loss=1.0))

    with books.database.read() as session:
        rows = {row.client: row for row in list_replies(session, run_id, 1, 1)}
        owners = {point.client_id for point in points_after(session, run_id, phases=["train"])}
    assert rows["site-b"].reason == "4 of 10 values are not finite"
    assert rows["site-c"].reason == "connection lost [31m"
    assert owners == {None, a}, "a refused reply gives no point"
    told = [event.data["outcome"] for event in books.published if event.type == "reply"]
    assert told == ["refused", "lost"]


def test_a_failed_attempt_is_an_event_and_leaves_no_points(books: Books) -> None:
    (a,) = books.add_clients("site-a")
    run_id = books.start_run()
    books.runs.record(reply(run_id, 1, a, loss=1.0))
    books.runs.record(AttemptFailed(run_id, 1, 1, "1 of 2 replies"))
    books.runs.record(reply(run_id, 1, a, attempt=2, loss=5.0))
    books.runs.record(done(run_id, 1, attempt=2, loss=5.0))

    with books.database.read() as session:
        assert [point.value for point in points_after(session, run_id, whose=[a])] == [5.0]
        assert session.scalars(select(Reply.attempt)).all() == [1, 2]
        assert session.scalars(select(Round.attempt)).all() == [2]
    failed = next(event for event in books.published if event.type == "round")
    assert (failed.data["committed"], failed.data["reason"]) == (False, "1 of 2 replies")


def test_a_value_that_is_not_finite_is_stored_by_its_kind(books: Books) -> None:
    (a,) = books.add_clients("site-a")
    run_id = books.start_run()
    books.play_round(run_id, 1, [a], loss=nan, accuracy=0.5, reward=-inf)

    with books.database.read() as session:
        points = {point.name: point for point in points_after(session, run_id, phases=["train"], whose=["aggregate"])}
    assert (points["loss"].value, points["loss"].kind) == (None, "nan")
    assert (points["reward"].value, points["reward"].kind) == (None, "-inf")
    assert books.runs.show(run_id).last_metrics["train_loss"] is None
    assert "train_loss" not in books.runs.show(run_id).best_metrics


def test_nothing_is_written_after_the_end_of_a_run_or_twice(books: Books) -> None:
    (a,) = books.add_clients("site-a")
    run_id = books.start_run()
    books.play_round(run_id, 1, [a], loss=1.0)
    books.play_round(run_id, 1, [a], loss=7.0)  # as when the answer to its commit was lost
    assert books.runs.move(run_id, RunState.STOPPING)
    assert books.runs.move(run_id, RunState.STOPPED)
    with pytest.raises(RoundRefused, match=f"Round 2 of run {run_id} came too late"):
        books.play_round(run_id, 2, [a], loss=9.0)
    books.runs.record(Blocked(run_id, "quorum", "1 of 2 clients"))

    with books.database.read() as session:
        assert session.scalars(select(Round.round)).all() == [1]
        assert set(session.scalars(select(MetricPoint.value))) == {1.0}
    run = books.runs.show(run_id)
    assert (run.state, run.current_round, run.blocked_on) == ("stopped", 1, None)
    assert not books.runs.move(run_id, RunState.COMPLETED)


def test_what_a_run_waits_for_is_kept_with_the_time_since_when(books: Books) -> None:
    run_id = books.start_run()
    books.runs.record(Blocked(run_id, "quorum", "0 of 2 clients", 600, ("stop",)))
    first = books.runs.show(run_id).blocked_on
    books.runs.record(Blocked(run_id, "quorum", "1 of 2 clients", 600, ("stop",)))
    second = books.runs.show(run_id).blocked_on
    books.runs.record(Blocked(run_id, None))

    assert first is not None
    assert second is not None
    assert (second.sentence, second.since) == ("1 of 2 clients", first.since)
    assert second.deadline is not None
    assert second.deadline > first.since
    assert books.runs.show(run_id).blocked_on is None


def test_progress_is_shown_and_never_stored(books: Books) -> None:
    run_id = books.start_run()
    books.published.clear()
    progress = Progress(1, run_id, 1, "train", "training", 3, 10, 0.5)
    books.runs.record(progress)
    assert (books.shown, books.published) == ([progress], [])


def test_a_sparkline_is_thinned_and_ends_with_the_last_round(books: Books) -> None:
    run_id = books.start_run(num_rounds=200)
    for number in range(151):
        books.play_round(run_id, number, [], accuracy=number / 1000)
    with books.database.read() as session:
        line = sparklines(session, [run_id])[run_id]
    assert 50 <= len(line) <= 61
    assert (line[0], line[-1]) == (0.0, 0.15)


def test_recording_asks_the_database_as_often_for_fifty_clients_as_for_two(books: Books) -> None:
    """What a round costs is measured by the benchmarks; that it does not grow by a statement a client is seen here."""

    def asked_for_a_round_of(clients: int) -> list[str]:
        ids = books.add_clients(*(f"site-{number} of {clients}" for number in range(clients)))
        run_id = books.start_run(num_rounds=5)
        books.play_round(run_id, 0, ids, loss=1.0, accuracy=0.5)
        with asked(books.database.engine) as statements:
            books.play_round(run_id, 1, ids, loss=1.0, accuracy=0.5)
        return [statement.split()[0] for statement, _ in statements]

    few = asked_for_a_round_of(2)
    assert asked_for_a_round_of(50) == few
    assert 4 <= len(few) <= 10, few


def test_the_problems_of_a_completed_run_are_read_before_its_last_transaction(books: Books) -> None:
    run_id = books.start_run()
    with ThreadPoolExecutor(1) as other, asked(books.database.engine) as statements:
        with books.database.write():
            moved = other.submit(books.runs.move, run_id, RunState.COMPLETED)
            wait_until(lambda: any("run_problems" in statement for statement, _ in statements))
            assert not moved.done()
        assert moved.result(20)


def test_a_run_that_a_process_left_after_its_last_round_says_its_problems(books: Books) -> None:
    good, bad = books.add_clients("site-a", "site-b")
    run_id = books.start_run(num_rounds=1)
    books.runs.record(reply(run_id, 1, bad, outcome="failed", reason="no column age"))
    books.play_round(run_id, 1, [good])
    books.runs.restore()
    assert books.runs.show(run_id).reason == "Completed with problems: site-b failed 1 time (no column age)"
