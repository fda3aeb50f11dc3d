"""What the form says of a run before it is started: who takes part, with which labels, and what that costs."""

from collections.abc import Iterator
from typing import Any

import pytest

from federation.learning.sizes import parameters_of
from federation.protocol.messages import Task
from federation.run.config import RunConfig
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard, named, running
from tests.support.light_client import Answer, Answering, honest, shifted
from tests.support.markup import Element, get_both, get_page, parse

DIGITS = {"dataset": "digits", "network": "mlp"}
LABELS = {"even": [50] * 10, "skewed": [10, 240, 200] + [0] * 7, "silent": None}


def saying(**data: Any) -> Answering:
    def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        said = honest(task, weights, layout)
        if task.phase == "prepare":
            counts = data.get("label_counts")
            said.data = {"samples": {"train": sum(counts or [70]), "test": 9}, "classes": 10} | data
        if task.phase == "train" and weights is not None:
            said.weights = shifted(weights, 1.0)  # the same weights would not be sent again
        return said

    return answer


@pytest.fixture(scope="module")
def holders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with clients of two data sets, which a synthetic run of four rounds has made known."""
    with running(tmp_path_factory.mktemp("holders")) as dashboard, dashboard.stage() as stage:
        for known, (name, counts) in enumerate(LABELS.items(), 1):
            stage.add(name, saying(label_counts=counts, input_shape=[8, 8, 1]), dataset="digits")
            dashboard.wait_for_clients(known)
        stage.add("camera", saying(input_shape=[28, 28, 1]), dataset="digits")
        dashboard.wait_for_clients(4)
        stage.add("old-scanner", saying(input_shape=[28, 28, 1]), dataset="mnist")
        dashboard.wait_for_clients(5)
        run_id = dashboard.start_run(num_rounds=4, min_clients=5)
        dashboard.wait_for_state(run_id, "completed")
        yield dashboard


def ask(dashboard: Dashboard, **answers: Any) -> Element:
    """Return the sum beside the form, for these answers."""
    query = "&".join(f"{name}={value}" for name, value in answers.items())
    return get_both(dashboard.http, f"/runs/new?{query}", "start-sum")


def lines(sum_: Element) -> dict[str, str]:
    found = sum_.one("dl")
    return dict(zip((e.text for e in found.all("dt")), (e.text for e in found.all("dd")), strict=True))


def warnings(sum_: Element) -> str:
    return " ".join(one.text for one in sum_.all("ul", class_="warnings"))


def test_the_clients_with_the_data_are_named_with_samples_and_labels(holders: Dashboard) -> None:
    sum_ = ask(holders, **DIGITS)
    eligible = {one.one("a").text: one for one in sum_.one("ul", aria_labelledby="eligible-h").all("li")}
    assert list(eligible) == ["even", "skewed", "silent"]
    assert [one.one("small", class_="num").text for one in eligible.values()] == ["500", "450", "70"]
    assert [len(one.all("svg", class_="labels")) for one in eligible.values()] == [1, 1, 0]
    assert "3 of 5 online, 1,020 samples" in sum_.text
    others = sum_.one("ul", aria_label="Online but not eligible").text
    assert "old-scanner : dataset mnist, the run needs digits" in others


def test_skew_and_shapes_that_do_not_fit_are_told_before_round_1(holders: Dashboard) -> None:
    said = warnings(ask(holders, **DIGITS))
    assert "camera: input shape 28×28×1, the run needs 8×8×1." in said
    assert "skewed: 97.8\u202f% of the samples in two classes" in said
    assert "waits up to" not in said
    few = warnings(ask(holders, **DIGITS, min_clients=4))
    assert "3 of 4 clients online: the run waits up to 10\u202fmin for more, then fails." in few


def test_only_chosen_clients_are_counted(holders: Dashboard) -> None:
    sum_ = ask(holders, **DIGITS, who="some", clients=1)
    assert [one.one("a").text for one in sum_.one("ul", aria_labelledby="eligible-h").all("li")] == ["even"]
    assert not ask(holders, **DIGITS, who="some").all("ul", aria_labelledby="eligible-h"), "nobody is chosen yet"


def test_size_and_traffic_are_estimated_as_they_turn_out(holders: Dashboard) -> None:
    said = lines(ask(holders, network="synthetic", dataset="synthetic", num_rounds=4, synthetic_parameters=1000))
    assert said["Model"] == "4\u202fkB 1,000 parameters"
    assert said["Rounds"] == "4 with 5 clients"
    assert (said["Traffic per round"], said["Total traffic"]) == ("about 40\u202fkB", "about 180\u202fkB")
    assert said["Server memory"] == "about 16\u202fkB for the updates of a round"
    rounds = holders.http.get("/api/runs/1/rounds").json()["items"]
    sent = sum(one["bytes_down"] + one["bytes_up"] for one in rounds)
    assert 180_000 <= sent < 1.1 * 180_000
    assert said["Duration"].startswith("about ")
    assert "Duration" not in lines(ask(holders, network="synthetic", dataset="synthetic", synthetic_parameters=999))
    assert lines(ask(holders, **DIGITS))["Model"] == "38.4\u202fkB 9,610 parameters"


def test_a_strategy_that_keeps_every_update_says_what_that_takes_and_what_does_not_fit(holders: Dashboard) -> None:
    given = {"network": "synthetic", "dataset": "synthetic", "strategy": "Bulyan", "min_clients": 5}
    page = ask(holders, **given, synthetic_parameters=1_000_000)
    assert lines(page)["Server memory"] == "about 142\u202fMB for the updates of a round"
    assert "needs about" not in page.text
    large = {**given, "synthetic_parameters": 50_000_000, "min_clients": 10_000}
    huge = ask(holders, **large)
    assert "Bulyan needs about 12.6" in huge.text and "sample fewer clients or choose FedAvg" in huge.text
    answer = holders.http.post("/api/runs", json=large)
    assert named(answer, 422) == {"min_clients"}
    assert "Bulyan with 10,000 clients needs about 12.6" in answer.json()["detail"]


def test_the_sampled_clients_are_counted_by_the_rule_of_the_run(holders: Dashboard) -> None:
    synthetic = {"network": "synthetic", "dataset": "synthetic", "num_rounds": 4, "synthetic_parameters": 1000}
    said = lines(ask(holders, **synthetic, min_clients=1, fraction_train=55))
    assert said["Rounds"] == "4 with 5 clients 2 sampled to train in each"
    assert said["Traffic per round"] == "about 28\u202fkB", "5 clients evaluate, and 2 of them train"


@pytest.mark.parametrize(
    ("answers", "rounds"),
    [({"num_rounds": "many"}, "3"), ({"strategy": "Krum", "num_rounds": "7"}, "7"), ({"x": "1"}, "3")],
)
def test_answers_with_mistakes_do_not_hide_what_is_known(holders: Dashboard, answers: Any, rounds: str) -> None:
    assert lines(ask(holders, **DIGITS, **answers))["Rounds"] == f"{rounds} with 3 clients"


def test_answers_in_the_address_are_kept_so_that_the_page_works_without_scripts(holders: Dashboard) -> None:
    page = get_page(holders.http, "/runs/new?dataset=mnist&num_rounds=9&network=cnn&who=some&clients=5")
    assert page.one("select", id="dataset").one("option", selected=True)["value"] == "mnist"
    assert page.one("input", id="num_rounds")["value"] == "9"
    again = next(one for one in page.all("button") if one.attributes.get("formmethod") == "get")
    assert (again["formaction"], "no-script" in (again["class"] or "")) == ("/runs/new", True)
    boxes = [box["value"] for box in page.all("input", name="clients") if "checked" in box]
    assert boxes == ["5"]
    texts = {label.one("input")["value"]: label.text for label in page.one("div", class_="checks").all("label")}
    assert (texts["1"], texts["5"]) == ("even 500, digits", "old-scanner 70, mnist")


def test_the_short_form_says_it_in_a_sentence(holders: Dashboard) -> None:
    words = get_page(holders.http, "/").one("div", id="home-preview").text
    assert "3 eligible clients with 1,020 samples." in words
    assert "9,610 parameters, 38.4\u202fkB; traffic per round about 231\u202fkB" in words
    headers = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#home-preview"}
    answer = holders.http.get("/runs/new?dataset=mnist&network=cnn&min_clients=2", headers=headers)
    alone = parse(answer.text).one("div", id="home-preview")
    assert "1 eligible client" in alone.text and "1 of 2 clients online" in alone.text


def test_without_clients_the_sum_says_who_is_missing(dashboard: Dashboard) -> None:
    sum_ = ask(dashboard)
    assert lines(sum_)["Starts"] == "with 2 clients online"
    assert "0 of 2 clients online" in warnings(sum_)


@pytest.mark.parametrize(("network", "dataset", "expected"), [
    ("mlp", "digits", 9_610), ("mlp", "mnist", 101_770), ("cnn", "digits", 35_914), ("cnn", "cifar10", 282_250),
    ("mobilenet_v2", "cifar10", 2_270_794), ("resnet50", "mnist", 23_608_202), ("synthetic", "synthetic", 77),
    ("custom", "digits", None),
])  # fmt: skip
def test_sizes_of_networks_are_known_without_building_them(network: Any, dataset: Any, expected: int | None) -> None:
    weights = "0" * 64 if network == "custom" else None
    config = RunConfig(network=network, dataset=dataset, synthetic_parameters=77, initial_weights=weights)
    assert parameters_of(config) == expected
