"""What the API refuses, by the name of the field: bad values, bodies, queries, addresses; and the limits it tells."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.dashboard import Dashboard, named, running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """One dashboard for all calls that change nothing."""
    with running(tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"num_rounds": 0}, "num_rounds"),
        ({"num_rounds": 2.5}, "num_rounds"),
        ({"num_rounds": 10**30}, "num_rounds"),
        ({"min_clients": 0}, "min_clients"),
        ({"fraction_train": 2}, "fraction_train"),
        ({"network": "perceptron"}, "network"),
        ({"dataset": 7}, "dataset"),
        ({"seed": -1}, "seed"),
        ({"name": "a" * 101}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"clients": ["a\x00b"]}, "clients.0"),
        ({"clients": "site-a"}, "clients"),
        ({"clients": []}, "clients"),
        ({"clients": ["nobody"]}, "clients.0"),
        ({"clients": [1]}, "clients.0"),
        *(({"clients": [bad]}, "clients.0") for bad in (0, -1, 2**53, 1.0, True, None, "", " ", "a" * 65, ["a"])),
        ({"role": "admin"}, "role"),
        ({"state": "completed"}, "state"),
        ({"id": 7}, "id"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_field(shared: Dashboard, body: dict[str, Any], field: str) -> None:
    assert named(shared.http.post("/api/runs", json=body), 422) == {field}
    assert shared.http.get("/api/runs").json()["total"] == 0


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b'{"learning_rate": NaN}', 422),
        (b'{"fraction_train": Infinity}', 422),
        (b'{"num_rounds": 1e999}', 422),
        (b"", 422),
        (b"[]", 422),
        (b"null", 422),
        (b'"run"', 422),
        (b"{", 422),
        (b"\xff\xfe", 422),
        (b'{"name": "\\ud800"}', 422),
        (b"[" * 100_000, 400),
        (b'{"name": "' + b"a" * 2**20 + b'"}', 413),
    ],
)
def test_no_body_is_bad_enough_for_an_error_of_ours(shared: Dashboard, text: bytes, status: int) -> None:
    named(shared.http.post("/api/runs", content=text, headers={"content-type": "application/json"}), status)


@pytest.mark.parametrize("path", ["", "/rounds", "/metrics", "/metrics.csv", "/model", "/events"])
def test_an_unknown_run_is_404_and_a_bad_id_422(shared: Dashboard, path: str) -> None:
    assert named(shared.http.get(f"/api/runs/12{path}"), 404) == set()
    for bad in ("0", "-1", "x", "1%09", "1_0", "1.0", "+1", str(2**53), str(10**40)):
        assert named(shared.http.get(f"/api/runs/{bad}{path}"), 422) == {"run_id"}


def test_unsafe_calls_on_an_unknown_run_are_404(shared: Dashboard) -> None:
    for call in (("POST", "/stop"), ("POST", "/resume"), ("DELETE", "")):
        named(shared.http.request(call[0], f"/api/runs/12{call[1]}"), 404)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"), ("offset=-1", "offset"),
        ("offset=1e3", "offset"), ("state=asleep", "state.0"), ("q=" + "a" * 201, "q"),
        ("q=%00", "q"),
    ],
)  # fmt: skip
def test_a_query_out_of_bounds_is_refused(shared: Dashboard, query: str, field: str) -> None:
    assert named(shared.http.get(f"/api/runs?{query}"), 422) == {field}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("series?metric=%00", "metric.0"), ("series?metric=%22", "metric.0"),
        ("series?metric=loss&after=2147483648", "after"),
        ("series?metric=loss&last=9007199254740991", "last"), ("metrics?name=%00", "name.0"),
    ],
)  # fmt: skip
def test_a_query_that_no_table_can_answer_is_refused(shared: Dashboard, query: str, field: str) -> None:
    assert named(shared.http.get(f"/api/runs/1/{query}"), 422) == {field}


def test_what_no_comparison_can_be_told_in_is_refused(shared: Dashboard) -> None:
    assert named(shared.http.get("/api/runs/compare?id=1&metric=%00"), 422) == {"metric"}
    assert shared.http.get("/runs?network=%00").status_code == 422
    assert shared.http.get("/runs/compare?id=1&metric=%00%22").status_code == 200, "pages ignore what makes no sense"


def test_weights_that_nobody_uploaded_are_refused(shared: Dashboard) -> None:
    answer = shared.http.post("/api/runs", json={"network": "custom", "initial_weights": "0" * 64})
    assert named(answer, 422) == {"initial_weights"}


@pytest.mark.parametrize(
    "name", ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f469\u200d\U0001f52c lab", "a\u00a0b"]
)
def test_names_are_written_as_scripts_write_them(dashboard: Dashboard, name: str) -> None:
    assert dashboard.run(dashboard.start_run(name=name))["name"] == name


def test_options_tell_every_field_of_a_run_with_its_limits(shared: Dashboard) -> None:
    options = shared.http.get("/api/options").json()
    assert {"mlp", "cnn", "mobilenet_v2", "resnet50", "synthetic"} <= set(options["networks"])
    assert "FedAvg" in options["strategies"]
    rounds = options["fields"]["num_rounds"]
    assert (rounds["default"], rounds["minimum"]) == (3, 1)
    q = options["strategy_options"]["QFedAvg"]["q"]
    assert (q["default"], q["least"], q["most"], q["whole"]) == (0.1, 0, 100, False)
    assert set(options["strategy_options"]) == set(options["strategies"])


def test_an_address_that_does_not_exist_is_a_problem_below_api_and_a_page_elsewhere(shared: Dashboard) -> None:
    named(shared.http.get("/api/nothing"), 404)
    named(shared.http.put("/api/runs"), 405)
    page = shared.http.get("/nothing")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("field", ["num_rounds", "dirichlet_alpha", "seed", "max_weight_share"])
def test_true_is_no_number(dashboard: Dashboard, field: str) -> None:
    answer = dashboard.http.post("/api/runs", json={field: True})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
