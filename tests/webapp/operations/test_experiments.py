"""Experiments: every configuration once for each seed, whatever happens to the dashboard meanwhile."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from federation.run.states import ACTIVE
from tests.support.dashboard import Api, Dashboard, named, running
from tests.support.light_client import Answer, Stage, honest
from tests.support.processes import Meadow, wait_until

GRID = {
    "network": "synthetic", "dataset": "synthetic", "num_rounds": 2, "strategy": ["FedAvg", "FedProx", "FedAdam"],
    "strategy_options": {"proximal_mu": [0.01, 0.1, 1], "eta": {"from": 0.001, "to": 1, "factor": 10}},
    "synthetic_parameters": [10, 20, 30],
}  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("shared")) as made:
        yield made


def slow(task: Any, weights: bytes | None, layout: Any) -> Answer:
    answer = honest(task, weights, layout)
    answer.delay_seconds = 0.02
    return answer


def create(api: Api, config: dict[str, Any], seeds: Any = 1, **more: Any) -> dict[str, Any]:
    answer = api.http.post("/api/experiments", json={"config": config, "seeds": seeds, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def show(api: Api, experiment_id: int) -> dict[str, Any]:
    answer = api.http.get(f"/api/experiments/{experiment_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def steer(api: Api, experiment_id: int, verb: str, status: int = 202) -> dict[str, Any]:
    answer = api.http.post(f"/api/experiments/{experiment_id}/{verb}")
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def add_clients(api: Api, stage: Stage, answer: Any = honest, names: str = "ab") -> None:
    for count, name in enumerate(names, 1):
        stage.add(name, answer)
        wait_until(lambda count=count: online(api) == count)  # type: ignore[misc]


def online(api: Api) -> int:
    return sum(one["state"] == "online" for one in api.http.get("/api/clients").json()["items"])


def synthetic(**config: Any) -> dict[str, Any]:
    return {"network": "synthetic", "dataset": "synthetic", "num_rounds": 1, **config}


@pytest.mark.slow
@pytest.mark.meadow_arguments("--parallel-runs", "3")
def test_sixty_runs_three_at_a_time_are_each_done_once_although_the_dashboard_is_killed_twice(meadow: Meadow) -> None:
    grid = synthetic(synthetic_parameters=[10, 20, 30], strategy=["FedAvg", "FedProx"], num_rounds=[2, 3])
    grid |= {"min_clients": 2, "max_clients": 2}
    with httpx.Client(base_url=meadow.url, trust_env=False, timeout=20) as http:
        api = Api(http)
        experiment = create(api, grid, 5)["id"]

        def completed() -> int:
            return int(show(api, experiment)["counts"].get("completed", 0))

        for enough in (15, 35):
            with Stage(meadow.flower_address) as stage:
                add_clients(api, stage, slow, "abcdef")
                wait_until(lambda enough=enough: completed() >= enough, 60)  # type: ignore[misc]
                meadow.kill()
            meadow.start()
        with Stage(meadow.flower_address) as stage:
            add_clients(api, stage, names="abcdef")
            wait_until(lambda: show(api, experiment)["state"] == "finished", 60)
        done = show(api, experiment)
        assert done["counts"] == {"completed": 60} and done["total"] == 60
        assert len({(run["configuration"], run["seed"]) for run in done["runs"]}) == 60
        for run in done["runs"]:
            assert api.rounds(run["id"]) == list(range(run["num_rounds"] + 1))
    with closing(sqlite3.connect(meadow.data_dir / "meadow.db")) as database:
        ends = database.execute("SELECT run_id, data FROM run_events WHERE type = 'run' ORDER BY id").fetchall()
        rounds = database.execute("SELECT count(*), count(DISTINCT run_id || ' ' || round) FROM rounds").fetchone()
    assert most_active(ends) == 3
    completions = [run_id for run_id, data in ends if json.loads(data).get("state") == "completed"]
    assert len(completions) == len(set(completions)) == 60
    assert rounds[0] == rounds[1] == sum(run["num_rounds"] + 1 for run in done["runs"])
    assert {json.loads(data)["by"] for _, data in ends if json.loads(data).get("from") == "interrupted"} == {
        "experiment"
    }


def most_active(events: list[tuple[int, str]]) -> int:
    """Return how many runs were active at a time, by the events of all moves."""
    active: set[int] = set()
    most = 0
    for run_id, data in events:
        (active.add if json.loads(data)["state"] in ACTIVE else active.discard)(run_id)
        most = max(most, len(active))
    return most


def test_settings_are_combined_only_where_they_apply_and_every_seed_runs_all_of_them(shared: Dashboard) -> None:
    experiment = create(shared, GRID, [7, 11], name="Strategies")
    assert (experiment["configurations"], experiment["total"], experiment["seeds"]) == (24, 48, [7, 11])
    assert experiment["varied"] == [
        "synthetic_parameters", "strategy", "strategy_options.proximal_mu", "strategy_options.eta"
    ]  # fmt: skip
    runs = show(shared, experiment["id"])["runs"]
    configs = [shared.run(run["id"])["config"] for run in runs]
    options = {(one["strategy"], *one["strategy_options"].items()) for one in configs}
    assert options == {
        ("FedAvg",), *(("FedProx", ("proximal_mu", mu)) for mu in (0.01, 0.1, 1.0)),
        *(("FedAdam", ("eta", eta)) for eta in (0.001, 0.01, 0.1, 1.0)),
    }  # fmt: skip
    assert {one["seed"] for one in configs} == {7, 11} and {run["configuration"] for run in runs} == {*range(1, 25)}
    assert [run["seed"] for run in sorted(runs, key=lambda run: run["id"])] == [7] * 24 + [11] * 24
    steer(shared, experiment["id"], "cancel")
    assert show(shared, experiment["id"])["state"] == "cancelled"


@pytest.mark.parametrize(
    ("request_", "field", "says"),
    [
        ({"config": {"learning_rate": {"from": 0.1, "to": 1, "step": 0.001}, "batch_size": [1, 2]}},
         "config.batch_size", "more than 1,000"),
        ({"config": {"learning_rate": [0.1, 0.2]}, "seeds": 501}, "seeds", "1,002 runs"),
        ({"config": {"learning_rate": [0.1, -1]}}, "config.learning_rate", "learning_rate -1"),
        ({"config": {"dirichlet_alpha": [0.1, 1]}}, "config.dirichlet_alpha", "no effect"),
        ({"config": {"learning_rate": [0.1, 0.1]}}, "config.learning_rate", "twice"),
        ({"config": {"seed": [1, 2]}}, "config.seed", "seeds"),
        ({"config": {"num_rounds": {"from": 1, "to": 5}}}, "config.num_rounds", "step or a factor"),
        ({"config": {"clients": [["nobody"], None]}}, "clients.0", "nobody"),
        ({"config": {"hue": [1, 2]}}, "config.hue", "Extra inputs"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_run_is_refused_as_a_whole_and_names_the_setting(
    shared: Dashboard, request_: dict[str, Any], field: str, says: str
) -> None:
    before = shared.http.get("/api/runs").json()["total"]
    answer = shared.http.post("/api/experiments", json=request_)
    assert field in named(answer, 422) and says in answer.json()["detail"]
    assert shared.http.get("/api/runs").json()["total"] == before


def test_a_paused_experiment_starts_nothing_and_a_persons_run_goes_first(shared: Dashboard) -> None:
    with shared.stage() as stage:
        experiment = create(shared, synthetic(synthetic_parameters=[10, 20, 30]))["id"]
        first, *rest = [run["id"] for run in show(shared, experiment)["runs"]]
        wait_until(lambda: shared.run(first)["state"] == "waiting")
        own = shared.start_run(num_rounds=1)
        assert [shared.run(one)["queue_position"] for one in (own, *rest)] == [1, 2, 3]
        assert steer(shared, experiment, "pause")["state"] == "paused"
        assert steer(shared, experiment, "pause", 409)["detail"].startswith(f"Experiment {experiment} is paused")
        add_clients(shared, stage)
        shared.wait_for_state(own, "completed")
        later = shared.start_run(num_rounds=1)
        shared.wait_for_state(later, "completed")  # a run of the experiment would have started before its end
        assert [shared.run(one)["state"] for one in (first, *rest)] == ["completed", "queued", "queued"]
        assert shared.run(rest[0])["queue_position"] is None
        steer(shared, experiment, "resume")
        wait_until(lambda: show(shared, experiment)["state"] == "finished")
    assert show(shared, experiment)["counts"] == {"completed": 3}
    assert shared.run(first)["finished_at"] <= shared.run(own)["started_at"] <= shared.run(rest[0])["started_at"]
    steer(shared, experiment, "cancel", 409)


def test_a_cancel_ends_all_runs_and_the_experiment_goes_with_its_last_run(shared: Dashboard) -> None:
    experiment = create(shared, synthetic(), 3)["id"]
    runs = [run["id"] for run in show(shared, experiment)["runs"]]
    wait_until(lambda: shared.run(runs[0])["state"] == "waiting")
    steer(shared, experiment, "cancel")
    wait_until(lambda: show(shared, experiment)["counts"] == {"stopped": 1, "cancelled": 2})
    for run_id in runs:
        assert shared.http.delete(f"/api/runs/{run_id}").status_code == 204
    wait_until(lambda: shared.http.get(f"/api/experiments/{experiment}").status_code == 404)
    assert experiment not in [one["id"] for one in shared.http.get("/api/experiments").json()["items"]]


def test_a_finished_experiment_runs_again_when_a_person_adds_rounds_to_a_run(shared: Dashboard) -> None:
    with shared.stage() as stage:
        add_clients(shared, stage)
        experiment = create(shared, synthetic())["id"]
        wait_until(lambda: show(shared, experiment)["state"] == "finished")
        run = show(shared, experiment)["runs"][0]["id"]
        assert shared.http.post(f"/api/runs/{run}/rounds", json={"add": 1}).status_code == 202
        wait_until(lambda: show(shared, experiment)["runs"][0]["current_round"] == 2)
        wait_until(lambda: show(shared, experiment)["state"] == "finished")


def test_after_a_restart_a_running_experiment_continues_alone_and_a_paused_one_waits(tmp_path: Path) -> None:
    with running(tmp_path) as first, first.stage() as stage:
        add_clients(first, stage, slow)
        runs = create(first, synthetic(num_rounds=12), 2)["id"]
        waits = create(first, synthetic(), 2)["id"]
        own = first.start_run(num_rounds=1)
        begun = show(first, runs)["runs"][0]["id"]
        steer(first, waits, "pause")
        wait_until(lambda: first.run(begun)["current_round"] >= 2)
    with running(tmp_path) as second, second.stage() as stage:
        add_clients(second, stage)
        wait_until(lambda: show(second, runs)["state"] == "finished")
        assert second.rounds(begun) == list(range(13)) and second.run(begun)["resumed_by"] == "experiment"
        assert (second.run(own)["state"], second.run(own)["blocked_on"]["kind"]) == ("queued", "held")
        assert (show(second, waits)["state"], show(second, waits)["counts"]) == ("paused", {"queued": 2})
        steer(second, waits, "resume")
        wait_until(lambda: show(second, waits)["counts"] == {"completed": 2})
        assert second.run(own)["state"] == "queued"
