"""Runs that only evaluate: a round of another run or uploaded weights, over clients; states, results, pages, limits."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard, named, running
from tests.support.light_client import Answer, Answering, Stage, adds, honest
from tests.support.markup import get_both, get_page
from tests.support.processes import wait_until


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("evaluations"), keep_checkpoints=1) as made:
        yield made


@pytest.fixture(scope="module")
def stage(dashboard: Dashboard) -> Iterator[Stage]:
    """Three clients: ``answers`` of the test say what each measures."""
    with dashboard.stage() as made:
        for number, name in enumerate(("north", "south", "west")):
            made.add(name, measuring(number))
            dashboard.wait_for_clients(number + 1)
        yield made


@pytest.fixture(scope="module")
def trained(dashboard: Dashboard, stage: Stage) -> int:
    run_id = dashboard.start_run(num_rounds=2, min_clients=3)
    dashboard.wait_for_state(run_id, "completed")
    return run_id


SEEN: list[tuple[Task, bytes]] = []
"""Each evaluate task, and its weights."""


def measuring(number: int) -> Answering:
    """Answer an evaluation by an accuracy of 0.9, 0.8 or 0.7 over 10, 20 or 30 samples; two share counts."""

    def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        if task.phase != "evaluate":
            return adds(0.05)(task, weights, layout)
        samples = 10 * (number + 1)
        right = round((0.9 - number / 10) * samples)
        counts = [right, samples - right, 0, 0]
        metrics: dict[str, Any] = {"loss": 1.0 + number, "accuracy": right / samples}
        metrics |= {"confusion_counts": counts} if number < 2 else {}
        return Answer(None, metrics, num_examples=samples)

    return answer


def evaluate(dashboard: Dashboard, **config: Any) -> int:
    answer = dashboard.http.post("/api/runs", json={"kind": "evaluation", **config})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def results(dashboard: Dashboard, run_id: int) -> dict[str, Any]:
    answer = dashboard.http.get(f"/api/runs/{run_id}/evaluation")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_round_of_a_run_is_evaluated_once_by_all_clients_the_worst_first(dashboard: Dashboard, trained: int) -> None:
    run_id = evaluate(dashboard, evaluated_run=trained)
    run = dashboard.wait_for_state(run_id, "completed")
    assert (run["kind"], run["num_rounds"], run["current_round"], run["best_metrics"]) == ("evaluation", 0, 0, {})
    assert (run["config"]["evaluated_round"], run["config"]["network"], run["config"]["seed"]) == (2, "synthetic", 7)
    assert not {"num_rounds", "strategy", "learning_rate"} & run["config"].keys()
    found = results(dashboard, run_id)
    assert [(one["name"], one["samples"], one["metrics"]["accuracy"]) for one in found["clients"]] == [
        ("west", 30, 0.7), ("south", 20, 0.8), ("north", 10, 0.9),
    ]  # fmt: skip
    accuracy = next(one for one in found["metrics"] if one["name"] == "accuracy")
    assert accuracy["mean"] == pytest.approx((0.9 * 10 + 0.8 * 20 + 0.7 * 30) / 60)
    assert (found["samples"], found["accepted"], found["ordered_by"]) == (60, 3, "accuracy")
    assert accuracy["pooled"] is None and dashboard.http.get(f"/api/runs/{run_id}/confusion").json() == {
        "of": "clients", "round": 0, "samples": 30, "clients": 2, "labels": ["0", "1"], "counts": [[25, 5], [0, 0]],
        "recalls": [25 / 30, None],
    }, "summed over those that share theirs"  # fmt: skip
    stored = dashboard.parts.settings.runs_dir / str(run_id)
    assert not list(stored.glob("round-*")), "no checkpoint of its own"
    assert dashboard.http.get(f"/api/runs/{run_id}/model").status_code == 404


def test_its_page_shows_results_and_no_curve(dashboard: Dashboard, trained: int) -> None:
    run_id = evaluate(dashboard, evaluated_run=trained, clients=["north", "south"])
    dashboard.wait_for_state(run_id, "completed")
    page = get_both(dashboard.http, f"/runs/{run_id}", "run-page")
    assert "Evaluation completed, accuracy 83.3\u202f%" in page.text
    assert f"Evaluation of round 2 of run #{trained}" in page.text
    ids = {section["id"] for section in page.all("section") if "id" in section.attributes}
    assert "results" in ids and not {"charts", "rounds", "by-round"} & ids
    rows = page.one("section", id="results").all("table")[1].one("tbody").all("tr")
    assert [row.one("th").text for row in rows] == ["south", "north"]
    assert "Add rounds" not in page.text
    assert "Weights evaluated: accuracy 83.3" in page.one("section", id="events").text
    said = page.one("section", id="confusion")
    assert "2 clients sharing counts by class, n = 30" in said.text
    assert [cell.text for cell in said.one("tbody").all("td")] == ["83.3\u202f%", "25", "5", "–", "0", "0"]
    form = get_page(dashboard.http, f"/runs/new?from={trained}&evaluate=2")
    chosen = {option["value"] for option in form.one("select", id="kind").all("option") if "selected" in option}
    assert chosen == {"evaluation"} and form.one("input", id="evaluated_run")["value"] == str(trained)
    for query in (f"evaluated_run={trained}", f"evaluated_run={trained}&network=mlp", "evaluated_run=999"):
        form = get_page(dashboard.http, f"/runs/new?kind=evaluation&{query}")
        network = form.one("select", id="network").one("option", selected=True)["value"]
        assert network == ("synthetic" if query == f"evaluated_run={trained}" else "mlp"), query
        assert (form.one("input", id="min_clients")["value"] == "3") == (str(trained) in query), query
    sent = {"kind": "evaluation", "evaluated_run": str(trained), "network": "synthetic", "dataset": "synthetic"}
    started = dashboard.http.post("/runs", data=sent, follow_redirects=False)
    assert started.status_code == 303, started.text
    dashboard.wait_for_state(int(started.headers["location"].rsplit("/", 1)[1]), "completed")
    assert "evaluation" in get_page(dashboard.http, "/runs").one("tr", id=f"run-{run_id}").text
    for path in ("/", f"/runs/new?from={run_id}", f"/runs/compare?id={run_id}&id={trained}", f"/runs/{run_id}/stop"):
        get_page(dashboard.http, path)


def test_uploaded_weights_are_evaluated_and_outlive_the_run_that_trained_them(
    dashboard: Dashboard, stage: Stage, trained: int
) -> None:
    packed = io.BytesIO()
    np.savez(packed, w=np.full(1000, 0.5, np.float32))
    upload = dashboard.http.post("/api/weights", files={"file": ("w.npz", packed.getvalue())}).json()["id"]
    config: dict[str, Any] = {"network": "mlp", "dataset": "digits", "initial_weights": upload}
    refused = dashboard.http.post("/api/runs", json={"kind": "evaluation", **config})
    assert named(refused, 422) == {"initial_weights"}
    assert "The weights have 1,000 values, the network mlp for digits has 9,610." in refused.text
    run_id = evaluate(dashboard, network="synthetic", dataset="synthetic", initial_weights=upload)
    dashboard.wait_for_state(run_id, "completed")
    sent = {"kind": "evaluation", "network": "synthetic", "dataset": "synthetic"}
    started = dashboard.http.post("/runs", data=sent, files={"weights": ("w.npz", packed.getvalue())})
    run_id = int(started.headers["location"].rsplit("/", 1)[1])
    assert dashboard.wait_for_state(run_id, "completed")["config"]["initial_weights"] == upload
    assert "Evaluation of uploaded weights" in get_page(dashboard.http, f"/runs/{run_id}").text
    other = dashboard.start_run(num_rounds=1, min_clients=3, seed=9)
    dashboard.wait_for_state(other, "completed")
    waiting = evaluate(dashboard, evaluated_run=other, min_clients=4)
    dashboard.wait_for_state(waiting, "waiting")
    assert dashboard.http.delete(f"/api/runs/{other}").status_code == 204
    wait_until(lambda: not (dashboard.parts.settings.runs_dir / str(other)).exists(), what="its files are gone")
    assert dashboard.http.post(f"/api/runs/{waiting}/min_clients", json={"min_clients": 3}).status_code == 202
    dashboard.wait_for_state(waiting, "completed")
    assert results(dashboard, waiting)["accepted"] == 3


def test_too_few_replies_fail_and_a_cancel_ends_it(dashboard: Dashboard, stage: Stage, trained: int) -> None:
    def silent(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        return Answer(silent=True) if task.phase == "evaluate" else honest(task, weights, layout)

    late = stage.add("late", silent)
    dashboard.wait_for_clients(4)
    try:
        run_id = evaluate(dashboard, evaluated_run=trained, round_timeout_seconds=0.3, min_clients=4)
        run = dashboard.wait_for_state(run_id, "failed")
        assert run["reason"] == "3 attempts in a row failed, the last: 3 of the 4 replies it needs"
        run_id = evaluate(dashboard, evaluated_run=trained, round_timeout_seconds=0.3, min_clients=3)
        dashboard.wait_for_state(run_id, "completed")
        first = results(dashboard, run_id)["clients"][0]
        assert (first["name"], first["outcome"], first["metrics"]["accuracy"]) == ("late", "late", None)
        run_id = evaluate(dashboard, evaluated_run=trained, round_timeout_seconds=60)
        wait_until(lambda: len([t for t in late.tasks if t.run_id == run_id and t.phase == "evaluate"]), what="a task")
        assert dashboard.http.post(f"/api/runs/{run_id}/rounds", json={"add": 1}).status_code == 409
        assert dashboard.http.post(f"/api/runs/{run_id}/stop").status_code == 202
        dashboard.wait_for_state(run_id, "stopped")
        assert dashboard.http.post(f"/api/runs/{run_id}/exclude", json={"client_id": 4}).status_code == 202
        assert dashboard.http.post(f"/api/runs/{run_id}/resume").status_code == 202
        dashboard.wait_for_state(run_id, "completed")
        assert results(dashboard, run_id)["accepted"] == 3
    finally:
        stage.do(late.socket.close()).result(5)
        dashboard.wait_for_clients(3)


def test_what_cannot_be_evaluated_is_refused_by_its_field(dashboard: Dashboard, trained: int) -> None:
    def refused(**config: Any) -> set[str]:
        return named(dashboard.http.post("/api/runs", json={"kind": "evaluation", **config}), 422)

    evaluation = evaluate(dashboard, evaluated_run=trained)
    assert refused() == {"initial_weights"}
    assert refused(evaluated_run=2**40) == {"evaluated_run"}
    assert refused(evaluated_run=evaluation) == {"evaluated_run"}, "it trained nothing"
    assert refused(evaluated_run=trained, evaluated_round=9) == {"evaluated_round"}
    assert refused(evaluated_run=trained, evaluated_round=0) == {"evaluated_round"}, "its weights are not kept"
    assert refused(evaluated_run=trained, network="mlp", dataset="digits") == {"network"}
    assert refused(evaluated_run=trained, client_evaluation="off") == {"client_evaluation"}
    assert refused(evaluated_run=trained, server_evaluation="test_split") == {"server_evaluation"}
    assert refused(network="mlp", dataset="wards", initial_weights="0" * 64) == {"evaluated_run"}
    assert named(dashboard.http.post("/api/runs", json={"evaluated_run": trained}), 422) == {"evaluated_run"}
    body = {"config": {"kind": "evaluation", "evaluated_run": trained}, "seeds": 2}
    assert named(dashboard.http.post("/api/experiments", json=body), 422) == {"config.kind"}
    assert named(dashboard.http.get(f"/api/runs/{trained}/evaluation"), 404) == set()
