"""A run with an own model is started from its form: a file with weights, app clients by name, only what counts."""

import io
import re
from typing import Any

import numpy as np

from tests.support.dashboard import Dashboard
from tests.support.light_client import Answer, shifted, training
from tests.support.markup import Element, get_page, parse


def packed(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def post(dashboard: Dashboard, content: bytes, **answers: Any) -> Any:
    """Send the form as a browser does: several parts, one of them the file."""
    body = {"network": "custom", "num_rounds": "1", "min_clients": "2", "initial_weights": "", **answers}
    return dashboard.http.post("/runs", data=body, files={"weights": ("weights.npz" if content else "", content)})


def test_an_own_model_is_started_from_the_form_with_app_clients_by_name(dashboard: Dashboard) -> None:
    adds_one = training(lambda task, weights, layout: Answer(shifted(weights or b"", 1.0)))
    with dashboard.stage() as stage:
        for name in ("left", "right", "third"):
            stage.add(name, adds_one, app="examples.app:app")
        stage.add("built-in")
        ids = {one["name"]: one["id"] for one in dashboard.wait_for_clients(4)}
        page = get_page(dashboard.http, "/runs/new?network=custom")
        form = page.one("form", id="start-form")
        assert form["enctype"] == "multipart/form-data"
        assert form.one("select", name="network").one("option", selected=True).text == "Own model"
        file = form.one("input", type="file")
        assert (file["name"], file["accept"]) == ("weights", ".npz,.h5")
        boxes = {one.text.split(" ")[0]: one["data-only"] for one in form.one("div", class_="checks").all("label")}
        assert {name for name, only in boxes.items() if only == "network=custom"} == {"left", "right", "third"}
        assert "3 of 4 online" in page.one("div", id="start-sum").text
        hidden = {one.one("label")["for"] for one in form.all("div", class_="field") if not counts(one, "custom")}
        assert {"dataset", "batch_size", "optimizer", "loss", "synthetic_seconds"} <= hidden
        assert not hidden & {"initial_weights", "app_config", "learning_rate", "min_clients", "strategy"}

        answer = post(dashboard, packed(w=np.zeros(3, np.float32)), who="some", clients=[ids["left"], ids["right"]],
                      app_config='{"penalty": "l2"}')  # fmt: skip
        assert answer.status_code == 303, answer.text
        run = dashboard.wait_for_state(int(answer.headers["location"].rpartition("/")[2]), "completed", "failed")
        assert (run["state"], run["config"]["clients"]) == ("completed", sorted([ids["left"], ids["right"]]))
        assert run["config"]["app_config"] == {"penalty": "l2"}
        model = np.load(io.BytesIO(dashboard.http.get(f"/api/runs/{run['id']}/model").content))
        assert model["w"].tolist() == [1.0, 1.0, 1.0]


def counts(field: Element, network: str) -> bool:
    """Say whether a field of the form is shown with a network."""
    only = field.attributes.get("data-only") or ""
    name, _, values = only.partition("=")
    return name != "network" or network in re.split("[ ;|]", values)


def test_what_is_wrong_with_a_file_stands_at_its_field_and_the_rest_is_kept(dashboard: Dashboard) -> None:
    for content, said in (
        (b"no archive", "Not an .npz"), (packed(w=np.array([np.nan], np.float32)), "finite"), (b"", "choose an .npz"),
    ):  # fmt: skip
        answer = post(dashboard, content, num_rounds="7")
        assert answer.status_code == 422
        page = parse(answer.text)
        assert said in page.one(id="initial_weights-error").text
        assert page.one("input", id="num_rounds")["value"] == "7"
        assert "Not a setting" not in page.text

    answer = post(dashboard, packed(w=np.zeros(3, np.float32)), num_rounds="0")
    page = parse(answer.text)
    kept = page.one("input", name="initial_weights")["value"] or ""
    assert re.fullmatch("[0-9a-f]{64}", kept), "a file need not be chosen again"
    answer = post(dashboard, b"", initial_weights=kept)
    assert answer.status_code == 303, answer.text
    assert dashboard.run(1)["config"]["initial_weights"] == kept
    unknown = post(dashboard, b"", initial_weights="0" * 64)
    assert unknown.status_code == 422
    assert "No uploaded weights" in parse(unknown.text).one(id="initial_weights-error").text


def test_a_file_may_be_as_large_as_a_reply(dashboard: Dashboard) -> None:
    assert post(dashboard, packed(w=np.zeros(2_000_000, np.float32))).status_code == 303
