"""Two dashboards on one database: the second is refused, and whoever lost it ruins nothing."""

from pathlib import Path

from tests.books import done
from tests.dashboard import Dashboard
from tests.processes import wait_until
from webapp.database import Database
from webapp.recorder import Recorder
from webapp.runs import Runs


def test_a_run_that_somebody_else_ended_stops_at_its_next_round_and_keeps_its_last_model(
    dashboard: Dashboard, tmp_path: Path
) -> None:
    with dashboard.stage() as stage:
        for name in "ab":
            stage.add(name)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=10_000)
        wait_until(lambda: dashboard.run(run_id)["current_round"] >= 4)
        other = Database(dashboard.parts.settings.sqlalchemy_url)
        Runs(other, Recorder(other, lambda _: None), tmp_path / "other", "evaluate_accuracy").restore()
        other.close()
        wait_until(lambda: dashboard.parts.supervisor.active_run_id is None, 10, "the end of the run's loop")
    run = dashboard.run(run_id)
    assert (run["state"], run["reason"][:25]) == ("interrupted", "The server was restarted:")
    last = run["current_round"]
    assert dashboard.rounds(run_id) == list(range(last + 1))
    kept = {int(path.name[6:12]) for path in (tmp_path / "data" / "runs" / str(run_id)).glob("round-*.weights")}
    assert last in kept and max(kept) <= last + 1, "it trained on"


def test_a_round_whose_commit_was_answered_by_nobody_counts_once(dashboard: Dashboard) -> None:
    runs = dashboard.parts.runs
    run_id = dashboard.start_run()
    runs.record(done(run_id, 0, loss=1.0))
    runs.record(done(run_id, 0, loss=1.0))
    assert dashboard.rounds(run_id) == [0]
