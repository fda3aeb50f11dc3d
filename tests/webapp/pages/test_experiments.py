"""The pages of experiments: the form with several values, and the table over seeds with what it may claim."""

import csv
import io
import random
from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from federation.protocol.messages import Task
from federation.run.events import ServerEvaluated
from federation.run.states import RunState
from federation.weights.layout import Layout
from tests.support.books import Books
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, honest
from tests.support.markup import get_page, parse
from tests.support.processes import wait_until
from webapp.db.repository.queue.experiments import insert_experiment
from webapp.db.repository.runs import set_values
from webapp.operations.experiments.experiments import get_experiment
from webapp.pages.experiments.results import results_of

VALUES = random.Random(3)
BASE = {"network": "synthetic", "dataset": "synthetic"}


def noisy(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    if task.phase != "prepare":
        answer.metrics = {"loss": VALUES.random(), "accuracy": VALUES.uniform(0.5, 0.9)}
    return answer


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with experiment 1: 4 configurations × 4 seeds, of which those that want three clients fail."""
    with running(tmp_path_factory.mktemp("shared")) as made:
        with made.stage() as stage:
            for count, name in enumerate("ab", 1):
                stage.add(name, noisy)
                made.wait_for_clients(count)
            wide = {"synthetic_parameters": [10, 20], "min_clients": [2, 3], "quorum_timeout_seconds": 0.1}
            create(made, {**BASE, **wide, "num_rounds": 3}, 4, name="Two & three clients")
            create(made, {**BASE, "synthetic_parameters": [10, 20], "num_rounds": 1}, 1)
            wait_until(lambda: get(made, "/api/experiments/2")["state"] == "finished", 60)
        yield made


def create(dashboard: Dashboard, config: dict[str, Any], seeds: Any, **more: Any) -> None:
    answer = dashboard.http.post("/api/experiments", json={"config": config, "seeds": seeds, **more})
    assert answer.status_code == 201, answer.text


def get(dashboard: Dashboard, path: str) -> dict[str, Any]:
    return dict(dashboard.http.get(path).json())


def samples(dashboard: Dashboard, metric: str, which: str = "best") -> dict[int, dict[int, float]]:
    """Return configuration -> seed -> value, of the completed runs."""
    found: dict[int, dict[int, float]] = {}
    for run in get(dashboard, "/api/experiments/1")["runs"]:
        if run["state"] == "completed":
            value = run["best_metrics"][metric]["value"] if which == "best" else run["last_metrics"][metric]
            found.setdefault(run["configuration"], {})[run["seed"]] = value
    return found


@pytest.mark.parametrize(
    ("query", "metric", "which"),
    [
        ("", "evaluate_accuracy", "best"),
        ("?which=last", "evaluate_accuracy", "last"),
        ("?phase=train&metric=loss", "train_loss", "best"),
    ],
)  # fmt: skip
def test_the_table_is_numpys_mean_and_deviation_over_the_completed_runs(
    shared: Dashboard, query: str, metric: str, which: str
) -> None:
    known = samples(shared, metric, which)
    assert sorted(map(len, known.values())) == [4, 4]
    rows = list(csv.DictReader(io.StringIO(shared.http.get(f"/api/experiments/1/results.csv{query}").text)))
    page, latex = (
        shared.http.get(f"/{path}{query}").text for path in ("experiments/1", "api/experiments/1/results.tex")
    )
    for row in rows:
        values = list(known.get(int(row["configuration"]), {}).values())
        assert (int(row["n"]), int(row["failed"]), int(row["runs"])) == (len(values), 4 - len(values), 4)
        shown = parse(page).one("tr", id=f"configuration-{row['configuration']}").text
        if not values:
            assert row[f"{which}_{metric}_mean"] == row[f"{which}_{metric}_std"] == "" and "– 0 4" in shown
            continue
        mean, deviation = np.mean(values), np.std(values, ddof=1)
        assert float(row[f"{which}_{metric}_mean"]) == mean and float(row[f"{which}_{metric}_std"]) == deviation
        assert (row["min_clients"], "2 clients on 20 samples" in row["data"]) == ("2", True)
        texts = (f"{mean * 100:.2f}", f"{deviation * 100:.2f}") if metric.endswith("accuracy") else (
            f"{mean:.4g}", f"{deviation:.4g}")  # fmt: skip
        assert shown.startswith(f"{row['configuration']} {texts[0]}\u202f±\u202f{texts[1]} 4 0")
        assert f"\\pm {texts[1]}$ & 4 & 0 \\\\" in latex and f"{texts[0]}" in latex
    assert "\\toprule" in latex and latex.count("-- & 0 & 4 \\\\") == 2 and "Two & three clients" in latex


def test_the_best_configuration_is_said_with_a_paired_interval_and_one_seed_claims_nothing(shared: Dashboard) -> None:
    known = samples(shared, "evaluate_accuracy")
    (first, ahead), (second, behind) = sorted(known.items(), key=lambda one: -np.mean(list(one[1].values())))
    difference = [ahead[seed] - behind[seed] for seed in ahead]
    mean, error = np.mean(difference), np.std(difference, ddof=1) / sqrt(4)
    low, high = stats.t.interval(0.95, 3, loc=mean, scale=error)
    said = get_page(shared.http, "/experiments/1").one("p", class_="says").text.replace("−", "-")
    assert said.startswith(f"Highest mean: configuration {first} (Synthetic parameters ")
    assert f"Before configuration {second} by {mean * 100:.2f} percentage points on average over 4 seeds" in said
    assert f"95 % interval {low * 100:.2f} to {high * 100:.2f} (Student's t)" in said
    assert ("The interval contains 0" in said) == (low < 0 < high)
    alone = get_page(shared.http, "/experiments/2").one("p", class_="says").text
    assert "nothing can be said of how sure that is" in alone and "interval" not in alone


def test_what_the_server_measures_on_its_test_split_has_a_table_of_its_own(tmp_path: Path) -> None:
    books = Books(f"sqlite:///{tmp_path / 'meadow.db'}", tmp_path / "runs")
    (client,) = books.add_clients("site-a")
    with books.database.write() as session:
        values = {"name": "A", "config": {}, "varied": [], "seeds": [1, 2], "configurations": 1, "started_by": None}
        number = insert_experiment(session, values)
    for seed, at_server in ((1, 0.5), (2, 0.9)):
        run = books.start_run(dataset="mnist", server_evaluation="test_split", num_rounds=1, seed=seed)
        with books.database.write() as session:
            set_values(session, run, experiment_id=number, configuration=1)
        books.play_round(run, 1, [client], accuracy=0.25)
        books.runs.record(ServerEvaluated(run, 1, {"accuracy": at_server}, 10_000))
        books.runs.move(run, RunState.COMPLETED)
    with books.database.read() as session:
        experiment = get_experiment(session, number)
        of = {phase: results_of(session, experiment, phase, "", "last") for phase in ("evaluate", "server")}
    books.close()
    assert [one.configurations[0].sample.mean for one in of.values()] == [0.25, 0.7]
    assert of["server"].basis.startswith("measured by the server on 10,000 samples: ")
    assert of["server"].measure.word == "accuracy at the server"


def test_curves_have_the_mean_and_the_deviation_of_each_round_over_seeds(shared: Dashboard) -> None:
    runs = [run for run in get(shared, "/api/experiments/1")["runs"] if run["state"] == "completed"]
    first = runs[0]["configuration"]
    (curve,) = get(shared, f"/api/experiments/1/series?configuration={first}")["items"]
    of = [run["id"] for run in runs if run["configuration"] == first]
    values = np.array([
        get(shared, f"/api/runs/{run}/series?metric=accuracy&phase=evaluate")["items"][0]["mean"] for run in of
    ])  # fmt: skip
    assert curve["rounds"] == [0, 1, 2, 3] and curve["runs"] == [4] * 4
    assert np.allclose(curve["mean"], values.mean(axis=0), atol=2e-6)
    assert np.allclose(curve["high"], values.mean(axis=0) + values.std(axis=0, ddof=1), atol=2e-6)


def test_an_experiment_is_one_line_of_the_queue_the_list_and_the_log(shared: Dashboard) -> None:
    with shared.stage():
        answer = shared.http.post("/experiments", data=BASE | {"seeds": "20", "synthetic_parameters": "5:9:2"})
        assert answer.status_code == 303
        address = answer.headers["location"]
        number = int(address.rsplit("/", 1)[1])
        wait_until(lambda: get(shared, f"/api/experiments/{number}")["counts"].get("waiting"))
        home = get_page(shared.http, "/")
        queue = home.one("section", **{"aria-labelledby": "queue-h"}).all("li")
        assert [one.text for one in queue] == [
            f"Experiment {number}, synthetic, synthetic 0 of 60 runs completed, 59 queued Pause"
        ]
        assert home.text.count("Queued") == 0 and f"Experiment {number}, synthetic, synthetic: started" in home.text
        row = get_page(shared.http, "/experiments").one("tr", id=f"experiment-{number}").text
        assert "Running 0 of 60 runs completed 0 3 configurations × 20 seeds Synthetic parameters" in row
        assert shared.http.post(f"{address}/pause").status_code == 303
        assert "Paused on this machine" in get_page(shared.http, address).text
        assert (
            "59 queued runs will be cancelled and 1 active run stopped"
            in get_page(shared.http, f"{address}/cancel").text
        )
        assert shared.http.post(f"{address}/cancel").status_code == 303
        wait_until(lambda: get(shared, f"/api/experiments/{number}")["counts"] == {"stopped": 1, "cancelled": 59})


def test_the_form_counts_the_runs_and_says_how_long_they_take_if_that_was_measured(shared: Dashboard) -> None:
    fresh = get_page(shared.http, "/experiments/new?network=mlp&dataset=digits&seeds=3&learning_rate=0.1,+0.01").one(
        id="start-sum"
    )
    assert "Configurations 2 Seeds 3 Runs 6 Duration not known" in fresh.text
    query = {**BASE, "seeds": "4, 9", "synthetic_parameters": "10, 20", "strategy": ["FedAvg", "FedAdam"],
             "FedAdam.eta": "0.001:1:x10", "fraction_train": "50:100:25", "num_rounds": "3"}  # fmt: skip
    measured = parse(shared.http.get("/experiments/new", params=query).text)
    text = measured.one(id="start-sum").text
    assert "Configurations 30 Seeds 2 Runs 60 Duration about " in text
    assert [one["value"] for one in measured.all("input", name="strategy", checked=True)] == ["FedAvg", "FedAdam"]
    answer = shared.http.post("/experiments", data=query)
    config = get(shared, f"/api{answer.headers['location']}")["config"]
    assert config["strategy_options"] == {"FedAdam.eta": {"from": 0.001, "to": 1.0, "factor": 10.0}}
    assert config["fraction_train"] == {"from": 0.5, "to": 1.0, "step": 0.25}
    again = answer.headers["location"].replace("/experiments/", "/experiments/new?experiment=")
    assert get_page(shared.http, answer.headers["location"]).one("a", href=again).text == "Duplicate"
    copied = get_page(shared.http, again)
    typed = {name: value for name, value in query.items() if isinstance(value, str) and name not in BASE}
    assert typed == {name: copied.one("input", name=name)["value"] for name in typed}
    assert copied.one(id="start-sum").text == text
    shared.http.post(f"{answer.headers['location']}/cancel")


def test_a_run_leads_to_an_experiment_with_its_settings_and_seeds_from_its_own_on(shared: Dashboard) -> None:
    link = get_page(shared.http, "/runs/new?from=1").one("a", href="/experiments/new?from=1")
    page = get_page(shared.http, str(link["href"]))
    config = shared.run(1)["config"]
    assert page.one("input", name="seed")["value"] == str(config["seed"])
    assert page.one("input", name="num_rounds")["value"] == "3" and page.one("input", name="seeds")["value"] == "5"
    assert "Runs 5 Duration about" in page.one(id="start-sum").text


@pytest.mark.parametrize(
    ("typed", "field", "says"),
    [
        ({"learning_rate": "0.1, x"}, "learning_rate", "is not a number"),
        ({"learning_rate": "0.1, -1"}, "learning_rate", "-1 is too small: more than 0"),
        ({"learning_rate": "1:0.1:0.1"}, "learning_rate", "must grow"),
        ({"seeds": "0"}, "seeds", "1 to 1,000"),
        ({"seeds": "a lot"}, "seeds", "1 to 1,000"),
        ({"local_epochs": "1:600:1", "seeds": "2"}, "seeds", "1,200 runs"),
        ({"strategy": ["FedAvg", "Krum"], "Krum.num_malicious_nodes": "1"}, "min_clients", "needs 5 clients"),
        ({"who": "some"}, "clients", "Select at least one client"),
    ],
)
def test_a_mistake_is_named_at_its_field_and_what_was_typed_stays(
    shared: Dashboard, typed: dict[str, Any], field: str, says: str
) -> None:
    before = get(shared, "/api/experiments")["total"]
    answer = shared.http.post("/experiments", data={"network": "mlp", "dataset": "digits", **typed})
    page = parse(answer.text)
    assert (answer.status_code, get(shared, "/api/experiments")["total"]) == (422, before)
    assert any(says in one.text for one in page.all("small", class_="wrong")), answer.text
    assert page.one(id=field) is not None
    for name, value in typed.items():
        if isinstance(value, str) and name != "who":
            assert page.one("input", name=name)["value"] == value
