"""A run that a stop rule ends: state, reason and rule as they are stored and shown, and how it goes on."""

from pathlib import Path
from typing import Any

from federation.run.rounds.stop_rules import StopRule, StopWatch
from federation.run.states import RunState
from tests.support.books import Books
from tests.support.dashboard import running
from tests.support.light_client import Answer, honest
from tests.support.markup import parse


def levelling(task: Any, weights: bytes | None, layout: Any) -> Answer:
    """Answer with an accuracy that does not improve after round 3."""
    answer = honest(task, weights, layout)
    if task.phase == "evaluate":
        answer.metrics = {"loss": 1.0, "accuracy": min(task.round, 3) / 10}
    return answer


def test_a_run_that_a_rule_ends_is_completed_and_says_why_everywhere(tmp_path: Path) -> None:
    with running(tmp_path) as dashboard, dashboard.stage() as stage:
        for name in "ab":
            stage.add(name, levelling)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=50, stop_patience=2)
        run = dashboard.wait_for_state(run_id, "completed")
        sentence = "No improvement of evaluate_accuracy for 2 rounds: best 0.3 in round 3"
        assert (run["current_round"], run["stop_rule"], run["reason"]) == (5, "patience", sentence)
        told = [e["data"] for e in dashboard.stream(f"/api/runs/{run_id}/events?after=0", lambda _: False)]
        assert [(one["reason"], one["stop_rule"]) for one in told if one.get("state") == "completed"] == [
            (sentence, "patience")
        ]
        page = parse(dashboard.http.get(f"/runs/{run_id}").text)
        assert "Completed 5 of 50 rounds" in page.text
        assert f"{sentence}." in page.text
        assert f"Completed: {sentence}" in page.text, "in the list of events"
        assert sentence in parse(dashboard.http.get("/runs").text).text
        assert "stop_patience" not in stage.clients[0].tasks[0].config, "rules are not the clients' business"

        assert dashboard.http.post(f"/api/runs/{run_id}/resume").status_code == 202
        run = dashboard.wait_for_state(run_id, "completed")
        assert (run["current_round"], run["stop_rule"]) == (8, "patience"), "the rules start over at round 6"
        assert "best 0.3 in round 6" in run["reason"]


def test_a_rule_that_a_kill_left_unsaid_ends_the_run_when_it_is_resumed(tmp_path: Path, database_url: str) -> None:
    books = Books(database_url, tmp_path)
    clients = books.add_clients("a", "b")
    run_id = books.start_run(num_rounds=50, stop_target=0.8, stop_patience=3, stop_megabytes=1.0)
    for number, accuracy in enumerate((0.9, 0.5, 0.6, 0.6, 0.81)):
        books.play_round(run_id, number, clients, accuracy=accuracy)
    assert books.runs.restore(resume=True) == [run_id]
    job = books.runs.next_queued()
    assert job is not None
    assert list(job.past.values) == [(1, 0.5), (2, 0.6), (3, 0.6), (4, 0.81)]
    assert (job.past.after, job.past.traffic_bytes) == (0, 5 * 4 * 3000)
    stop = StopWatch(job.config.stop_rules, job.past, job.committed).stop
    assert stop is not None
    assert stop.rule is StopRule.TARGET
    for state in (RunState.WAITING, RunState.COMPLETED):
        rule = stop.rule if state is RunState.COMPLETED else None
        assert books.runs.move(run_id, state, stop.sentence, rule=rule)
    assert (books.runs.show(run_id).state, books.runs.show(run_id).stop_rule) == (RunState.COMPLETED, StopRule.TARGET)
    books.close()
