"""Runs grouped by any setting: in the list, on both kinds of databases, and in a comparison."""

from typing import Any

import numpy as np
import pytest

from tests.support.books import Books
from tests.support.dashboard import Dashboard
from tests.support.markup import get_both, get_page
from webapp.db.repository.queue.experiments import insert_experiment
from webapp.db.repository.run_list import RunFilter, find_runs, group_sizes
from webapp.db.repository.runs import set_values
from webapp.pages.runs.grouping import CHOICES, grouping_of, heads_of


@pytest.fixture
def books_url(database_url: str) -> str:
    return database_url


RUNS: tuple[dict[str, Any], ...] = (
    {"learning_rate": 0.1, "partitioner": "dirichlet", "dirichlet_alpha": 0.5},
    {"learning_rate": 10.0, "strategy": "FedProx", "strategy_options": {"proximal_mu": 0.5}},
    {"learning_rate": 0.1, "partitioner": "dirichlet", "dirichlet_alpha": 5.0},
    {"learning_rate": 2.0, "strategy": "FedProx", "strategy_options": {"proximal_mu": 0.5}},
)


def test_the_list_is_ordered_and_counted_by_the_value_of_any_setting(books: Books) -> None:
    for config in RUNS:
        books.start_run(**config)
    with books.database.write() as session:
        values = {"name": "A", "config": {}, "varied": [], "seeds": [1], "configurations": 1, "started_by": None}
        set_values(session, 3, experiment_id=insert_experiment(session, values))

    def grouped(name: str) -> list[tuple[int, str, int]]:
        run_filter = RunFilter(group=grouping_of(name))
        with books.database.read() as session:
            runs, total = find_runs(session, run_filter, 50)
            sizes = group_sizes(session, run_filter)
        assert total == sum(sizes.values()) == 4
        return [(run_id, head.text, head.runs) for run_id, head in heads_of(runs, name, sizes).items()]

    assert grouped("learning_rate") == [
        (3, "Learning rate: 0.1", 2), (4, "Learning rate: 2", 1), (2, "Learning rate: 10", 1)
    ]  # fmt: skip
    assert grouped("dirichlet_alpha") == [
        (1, "Dirichlet α: 0.5", 1),
        (3, "Dirichlet α: 5", 1),
        (4, "Dirichlet α: –", 2),
    ]
    assert grouped("FedProx.proximal_mu") == [(4, "FedProx: Proximal μ: 0.5", 2), (3, "FedProx: Proximal μ: –", 2)]
    assert grouped("strategy") == [(3, "Strategy: FedAvg", 2), (4, "Strategy: FedProx", 2)]
    assert grouped("experiment") == [(3, "Experiment 1", 1), (4, "No experiment", 3)]
    for name, _word in CHOICES:
        assert grouped(name)


def test_the_pages_show_the_groups_with_their_means(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        for count, name in enumerate("ab", 1):
            stage.add(name)
            dashboard.wait_for_clients(count)
        for rounds in (1, 2, 2):
            dashboard.wait_for_state(dashboard.start_run(num_rounds=rounds), "completed")
    rows = get_both(dashboard.http, "/runs?group=num_rounds", "runs-list").one("tbody").all("tr")
    assert [row.attributes.get("id") or row.text for row in rows] == [
        "Rounds: 1 1 run", "run-1", "Rounds: 2 2 runs", "run-3", "run-2"
    ]  # fmt: skip
    assert get_page(dashboard.http, "/runs?group=hue").all("tr", class_="group") == []

    page = get_page(dashboard.http, "/runs/compare?id=1&id=2&id=3&group=num_rounds")
    best = [dashboard.run(run)["best_metrics"]["evaluate_accuracy"]["value"] * 100 for run in (2, 3)]
    groups = [one.text for one in page.all("tr", class_="group")]
    assert groups == [
        "Rounds: 1 1 run, best accuracy 66.7\u202f% (mean of 1)",
        f"Rounds: 2 2 runs, best accuracy {np.mean(best):.1f}\u202f% ± {np.std(best, ddof=1):.2f} (mean of 2)",
    ]
    offered = [one["value"] for one in page.one("select", id="group").all("option")]
    assert offered == ["", "num_rounds"]
