"""The samples and labels that a page shows before a run are those of the run's own cut, or said to be unknown."""

import json
from collections.abc import Iterator
from functools import cache, partial

import numpy as np
import pytest

from federation.learning.data import datasets
from federation.protocol.messages import Hello, Task
from federation.run.data_cut import DataCut
from federation.run.events import ClientChanged
from federation.weights.files import write_file
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, honest
from tests.support.markup import Element, get_both, get_page
from webapp.operations.connections.admission import Admissions

CLIENTS, SEED = 3, 11
SKEWED = {"dataset": "digits", "network": "mlp", "partitioner": "dirichlet", "dirichlet_alpha": 0.1}
EVENLY = {"dataset": "digits", "network": "mlp", "partitioner": "iid"}


@cache
def counts_of(partition: int, partitioner: str, alpha: float, seed: int) -> list[int]:
    """Return how many training samples of each class a partition of digits has, by cutting the real files."""
    part = datasets.load("digits").part(partition, CLIENTS, DataCut(partitioner, seed, alpha))  # type: ignore[arg-type]
    return np.bincount(part.train.labels, minlength=10).tolist()  # type: ignore[no-any-return]


def answer(partition: int, shares: bool, task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    """Answer as the built-in app of a partition of digits does; training gives the weights back."""
    said = honest(task, weights, layout)
    if task.phase == "prepare":
        cut = task.config
        counts = counts_of(partition, cut["partitioner"], cut["dirichlet_alpha"], cut.get("data_seed", cut["seed"]))
        said.data = {"samples": {"train": sum(counts), "test": 120}, "label_counts": counts if shares else None}
    return said


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard whose three clients hold partitions of digits; the last one keeps its labels to itself."""
    folder = tmp_path_factory.mktemp("digits")
    with running(folder) as dashboard, dashboard.stage() as stage:
        layout = Layout.of(["w"], [np.zeros(5, np.float32)])
        stem = folder / "data" / "networks" / f"mlp-digits-{SEED}"  # a network that need not be built
        stem.parent.mkdir(parents=True, exist_ok=True)
        write_file(stem.with_suffix(".weights"), layout.pack([np.zeros(5, np.float32)]))
        write_file(stem.with_suffix(".json"), json.dumps({"layout": layout.to_json()}).encode())
        for part in range(CLIENTS):
            more = {"dataset": "digits", "partition": part, "partitions": CLIENTS, "samples": 599}
            stage.add(f"site-{part}", partial(answer, part, part < 2), **more)
            dashboard.wait_for_clients(part + 1)
        yield dashboard


def ask(dashboard: Dashboard, **answers: object) -> Element:
    return get_both(
        dashboard.http, f"/runs/new?{'&'.join(f'{name}={value}' for name, value in answers.items())}", "start-sum"
    )


def samples_of(sum_: Element) -> list[str]:
    rows = sum_.one("ul", aria_labelledby="eligible-h").all("li")
    return [row.one("small", class_="num").text for row in rows]


def test_the_samples_are_those_of_the_runs_own_cut(digits: Dashboard) -> None:
    """Before any run, after a run with another cut, and after one with the same cut."""
    skewed = [f"{sum(counts_of(part, 'dirichlet', 0.1, SEED)):,}" for part in range(CLIENTS)]
    other = [f"{sum(counts_of(part, 'dirichlet', 0.3, 5)):,}" for part in range(CLIENTS)]
    for _ in range(2):
        assert samples_of(ask(digits, **EVENLY, seed=SEED)) == ["479", "479", "479"]
        assert samples_of(ask(digits, **EVENLY)) == ["479", "479", "479"], "whatever the seed"
        assert samples_of(ask(digits, **SKEWED, seed=SEED)) == skewed
        assert samples_of(ask(digits, **SKEWED, seed=4, data_seed=SEED)) == skewed
        assert samples_of(ask(digits, **SKEWED | {"dirichlet_alpha": 0.3, "seed": 5})) == other
        drawn_later = ask(digits, **SKEWED)
        assert samples_of(drawn_later) == ["known after preparation"] * CLIENTS
        assert "3 of 3 online" in drawn_later.text and "3 of 3 online," not in drawn_later.text
        assert not ask(digits, **EVENLY).all("svg", class_="labels"), "the seed is not drawn yet"
        run_id = digits.start_run(**SKEWED | {"seed": SEED, "num_rounds": 1})
        digits.wait_for_state(run_id, "completed")


def test_labels_and_warnings_are_those_of_the_runs_own_cut(digits: Dashboard) -> None:
    run_id = digits.start_run(**SKEWED | {"seed": SEED, "num_rounds": 1})
    digits.wait_for_state(run_id, "completed")
    same = ask(digits, **SKEWED, seed=SEED)
    rows = same.one("ul", aria_labelledby="eligible-h").all("li")
    assert [len(row.all("svg", class_="labels")) for row in rows] == [1, 1, 0]
    assert "labels not shared" in rows[2].text and "of the samples in two classes" in same.text

    even = ask(digits, **EVENLY)
    assert not even.all("svg", class_="labels") and "of the samples in two classes" not in even.text
    assert "This run partitions the data anew: its labels are known after preparation." in even.text

    for partitioner, alpha in (("dirichlet", 0.3), ("iid", 0.3), ("quantity", 0.3), ("classes", 0.3)):
        cut = {"partitioner": partitioner, "dirichlet_alpha": alpha, "classes_per_client": 1}
        other = ask(digits, **SKEWED | cut | {"seed": 5})
        pictures = [one["aria-label"] for one in other.all("svg", class_="labels")]
        for part, picture in enumerate(pictures):
            counts = counts_of(part, partitioner, alpha, 5)
            most = max(range(10), key=lambda place: counts[place])
            assert picture and f"largest class {most} with {round(100 * counts[most] / sum(counts))} percent" in picture
        assert len(pictures) == 2

    facts = get_page(digits.http, "/clients/1").text
    assert "Partitioned by Dirichlet α 0.1, seed 11" in facts


def test_a_queued_runs_cut_decides_what_the_clients_page_warns_of(digits: Dashboard) -> None:
    skewed = digits.start_run(**SKEWED | {"seed": SEED, "num_rounds": 1})
    digits.wait_for_state(skewed, "completed")
    warning = "of the samples in two classes"
    assert warning in get_page(digits.http, "/clients").text
    waits = digits.start_run(**EVENLY | {"seed": SEED, "min_clients": 9})
    digits.wait_for_state(waits, "waiting")
    queued = digits.start_run(**EVENLY | {"seed": SEED})
    try:
        assert warning not in get_page(digits.http, "/clients").text
    finally:
        for run_id in (queued, waits):
            digits.http.post(f"/api/runs/{run_id}/stop")
        digits.wait_for_state(waits, "stopped")


def test_a_connection_that_is_opened_again_keeps_what_the_process_prepared(dashboard: Dashboard) -> None:
    clients = dashboard.parts.clients
    admissions = Admissions(dashboard.parts.database, "open", 1, clients.online_ids, dashboard.parts.join_codes)
    hello = Hello(public_key="k", signature="s", name="a", facts={"process": "p"}, data={"samples": 599})
    client_id = admissions.admit("k", hello, "::1").client_id
    prepared = {"samples": {"train": 88, "test": 22}, "cut": DataCut("iid", 7).to_json()}
    clients.handle_event(ClientChanged(client_id, online=True, data=prepared))
    for process, expected in (("p", prepared), ("q", {"samples": 599})):
        admissions.admit("k", hello.model_copy(update={"facts": {"process": process}}), "::1")
        assert dashboard.http.get(f"/api/clients/{client_id}").json()["data"] == expected
