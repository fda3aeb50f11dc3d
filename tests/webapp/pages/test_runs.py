"""The list of runs and a run's page, and what their buttons do."""

from urllib.parse import quote

import pytest

from federation.protocol.messages import Task
from federation.run.pooling import metrics_of_confusion
from federation.weights.layout import Layout
from tests.support.answers import nan_loss_in_round_1, train_only
from tests.support.dashboard import Dashboard, finished_run
from tests.support.light_client import Answer, Answering, honest
from tests.support.markup import flash_of, get_both, get_fragment, get_page
from webapp.db.repository.runs import set_values
from webapp.operations.files.downloads import CAN_ONNX


def refused_in_round_2(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    if task.phase == "train" and task.round == 2:
        answer.num_examples = 0
    return answer


def best_in_round_1(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    if task.phase == "evaluate":
        answer.metrics = {"loss": 1.0, "accuracy": 0.9 if task.round == 1 else 0.2}
    return answer


def test_a_finished_run_shows_rounds_events_configuration_and_downloads(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, name="First", num_rounds=3)
    page = get_both(dashboard.http, f"/runs/{run_id}", "run-page")

    assert page.one("h1").text == "First"
    assert "Completed 3 rounds, accuracy 80.0\u202f%." in page.text
    rounds = page.one("section", id="rounds")
    assert [row["id"] for row in rounds.one("tbody").all("tr")] == ["round-3", "round-2", "round-1", "round-0"]
    best = rounds.one("tr", id="round-3").one("td", class_="best")
    assert best.text == "80.0\u202f%"
    assert [cell.text for cell in rounds.one("tr", id="round-1").all("td")][6] == "2/2"
    assert "Round 3 completed, 2 of 2 updates: accuracy 80.0\u202f%" in page.one("section", id="events").text
    lines = {line.one("dt").text: line.one("dd").text for line in page.one("dl", class_="config").all("div")}
    assert (lines["Network"], lines["Rounds"], lines["Clients sampled per round"]) == ("Synthetic", "3", "100\u202f%")
    downloads = [link["href"] for link in page.one("section", id="configuration").all("a") if "download" in link]
    api = f"/api/runs/{run_id}"
    own = ("model", "metrics.csv?bom=1", "tensorboard", "export", "export?addresses=true")
    assert downloads == [f"{api}/{name}" for name in own]
    assert all(dashboard.http.get(address).status_code == 200 for address in downloads if address)
    first = get_page(dashboard.http, f"/runs/{run_id}").one("link", rel="preload")["href"]
    assert first == f"/api/runs/{run_id}/series?phase=evaluate&after=-1&metric=accuracy&metric=loss&clients=1&clients=2"
    chips = page.one("fieldset", class_="chips").all("input")
    assert [(chip["data-name"], chip["data-slot"], "checked" in chip) for chip in chips] == [
        ("site-a", "1", True), ("site-b", "2", True),
    ]  # fmt: skip
    assert page["hx-trigger"] == "meadow:refresh from:body", "an ended run asks for nothing by itself"
    assert not [link for link in page.all("a", class_="button") if "Stop" in link.text]


def test_the_best_model_and_the_last_are_downloads_as_long_as_they_are_on_disk(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, best_in_round_1, num_rounds=4)
    with dashboard.parts.database.write() as session:
        set_values(session, run_id, network="mlp")  # Meadow has its code: a .keras can be made

    def downloads() -> list[str]:
        links = get_page(dashboard.http, f"/runs/{run_id}").one("section", id="configuration").all("a")
        return [(link["href"] or "").rpartition("/")[2] for link in links if "download" in link]

    forms = ["keras", "zip", "savedmodel", *(["onnx"] if CAN_ONNX else [])]
    last = ["model", *(f"model?format={form}" for form in forms)]
    best = ["model?round=best", *(f"model?round=best&format={form}" for form in forms)]
    whole = ["export", "export?addresses=true"]
    assert downloads() == [*last, *best, "metrics.csv?bom=1", "tensorboard", *whole]
    answer = dashboard.http.get(f"/api/runs/{run_id}/model?round=best")
    assert "run-1-round-1.npz" in answer.headers["content-disposition"]
    for file in (dashboard.parts.settings.runs_dir / str(run_id)).glob("*1.weights"):
        file.unlink()
    assert downloads() == [*last, "metrics.csv?bom=1", "tensorboard", *whole]


def test_a_refused_reply_stands_in_its_round_and_in_the_log_with_client_and_reason(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        stage.add("site-b")
        stage.add("site-c", refused_in_round_2)
        dashboard.wait_for_clients(3)
        run_id = dashboard.start_run(num_rounds=3)
        dashboard.wait_for_state(run_id, "completed")
    page = get_both(dashboard.http, f"/runs/{run_id}", "run-page")

    cells = [cell.text for cell in page.one("tr", id="round-2").all("td")]
    assert cells[6] == "2/3"
    assert cells[9].startswith("site-c: rejected, ")
    assert "site-c: reply in round 2 rejected, " in page.one("section", id="events").text
    clients = get_both(dashboard.http, "/clients", "clients-list")
    assert "2 participated, 1 rejected" in clients.text


def test_a_metric_that_is_no_number_is_said_and_breaks_no_page(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a", nan_loss_in_round_1)
        stage.add("site-b", nan_loss_in_round_1)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=1)
        dashboard.wait_for_state(run_id, "completed")
    for path in ("/", "/runs", f"/runs/{run_id}", "/clients"):
        get_page(dashboard.http, path)
    loss = get_page(dashboard.http, f"/runs/{run_id}").one("meadow-chart", metric="loss")
    assert loss.one("tbody").all("tr")[-1].all("td")[0].text == "NaN"
    assert loss.one("span", data_part="figure").text == "NaN"


def test_a_run_whose_clients_only_train_shows_training_and_says_so_once(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, train_only, num_rounds=3)
    page = get_both(dashboard.http, f"/runs/{run_id}", "run-page")
    assert page.one("select", id="phase").one("option", selected=True).text == "Training"
    assert [chart["phase"] for chart in page.all("meadow-chart")] == ["train", "train"]
    note = "No evaluate function in the app of site-a and site-b: evaluation metrics are missing in this run"
    assert page.text.count(note) == 1 and "Initial weights saved without an evaluation" in page.text
    assert "failed" not in page.one("section", id="rounds").text
    chosen = get_page(dashboard.http, f"/runs/{run_id}?phase=evaluate")
    assert [chart["phase"] for chart in chosen.all("meadow-chart")] == ["evaluate", "evaluate"]


def test_only_the_newest_rounds_are_shown_until_all_are_asked_for(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=20)
    page = get_page(dashboard.http, f"/runs/{run_id}")
    assert len(page.one("section", id="rounds").one("tbody").all("tr")) == 12
    link = next(one for one in page.all("a") if one.text == "Show all 20")
    whole = get_both(dashboard.http, (link["href"] or "").partition("#")[0], "run-page")
    assert len(whole.one("section", id="rounds").one("tbody").all("tr")) == 21


def test_stop_ends_a_run_and_leads_to_its_page(dashboard: Dashboard) -> None:
    run_id, queued = dashboard.start_run(), dashboard.start_run()
    dashboard.wait_for_state(run_id, "waiting")
    get_page(dashboard.http, f"/runs/{run_id}").one("a", class_="danger", href=f"/runs/{run_id}/stop")
    button = get_page(dashboard.http, f"/runs/{run_id}/stop").one("form", action=f"/runs/{run_id}/stop")
    assert button["method"] == "post"

    cancelled = dashboard.http.post(f"/runs/{queued}/stop")
    stopped = dashboard.http.post(f"/runs/{run_id}/stop")
    assert stopped.headers["location"].startswith(f"/runs/{run_id}?")
    said = flash_of(get_page(dashboard.http, stopped.headers["location"]))
    assert said in ("The run is stopping.", "The run was stopped.")
    said = flash_of(get_page(dashboard.http, cancelled.headers["location"]))
    assert said == f"#{queued} was cancelled."
    dashboard.wait_for_state(run_id, "stopped")
    page = get_fragment(dashboard.http, f"/runs/{run_id}", "run-page")
    assert "Stopped after 0 of 3 rounds" in page.text
    assert page.one("section", id="rounds").one("p").text == "No round was completed."
    assert "Cancelled before the first round" in get_page(dashboard.http, f"/runs/{queued}").text

    again = dashboard.http.post(f"/runs/{run_id}/stop")
    assert again.status_code == 303, "of several people who stop it all are right"
    assert dashboard.http.post(f"/api/runs/{run_id}/stop").status_code == 409


def test_a_run_that_waited_through_a_restart_says_so(dashboard: Dashboard) -> None:
    run_id = dashboard.start_run()
    held = dashboard.start_run(name="Held")
    with dashboard.parts.database.write() as session:
        from webapp.db.repository.queue.order import hold_queue

        hold_queue(session, {"kind": "held", "sentence": "The server was restarted", "since": "2026-01-01T00:00:00Z",
                             "deadline": None, "actions": []})  # fmt: skip
    home = get_both(dashboard.http, "/", "home-page")
    form = home.one("form", action=f"/runs/{held}/resume")
    assert form["method"] == "post"
    assert "The server was restarted" in home.text
    resumed = get_page(dashboard.http, dashboard.http.post(form["action"] or "").headers["location"])
    assert flash_of(resumed) == "The run is queued."
    assert dashboard.run(held)["blocked_on"] is None
    assert dashboard.http.post(f"/runs/{run_id}/resume").status_code == 409


def test_names_are_text_wherever_they_stand(dashboard: Dashboard) -> None:
    name = '"><img src=x onerror=alert(1)>'
    run_id = dashboard.start_run(name=name)
    for path in ("/", "/runs", f"/runs/{run_id}", f"/runs/new?from={run_id}", f"/runs?q={quote(name)}"):
        page = get_page(dashboard.http, path)
        assert not page.all("img"), path
        assert name in page.text or [one for one in page.all("input") if one.attributes.get("value") == name], path


def test_metrics_over_all_samples_are_named_pooled_and_others_a_mean_of_clients(
    dashboard: Dashboard,
) -> None:
    """Two clients with one confusion matrix each: F1 over both is not the mean of the two."""
    tables = {"site-a": [8, 0, 2, 0], "site-b": [0, 2, 0, 8]}

    def counting(name: str) -> Answering:
        def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
            said = honest(task, weights, layout)
            if task.phase == "evaluate":
                scores = metrics_of_confusion([tables[name][:2], tables[name][2:]])
                said.metrics = {"loss": 1.0, **scores, "confusion_counts": tables[name]}
                said.num_examples = 10
            return said

        return answer

    with dashboard.stage() as stage:
        for name in tables:
            stage.add(name, counting(name))
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=1)
        dashboard.wait_for_state(run_id, "completed")
    last = dashboard.http.get(f"/api/runs/{run_id}").json()["last_metrics"]
    assert last["evaluate_f1"] == pytest.approx((0 + 2 * 8 / (8 + 10)) / 2)
    assert last["evaluate_f1_pooled"] == pytest.approx(2 * 8 / (10 + 10))
    assert not [name for name in last if "counts" in name]
    confusion = get_page(dashboard.http, f"/runs/{run_id}?confusion=0").one("section", id="confusion")
    assert "2 clients sharing counts by class, round 0, n = 20" in confusion.text
    assert [link.text for link in confusion.all("a")] == ["Later round"]
    asked = dashboard.http.get(f"/api/runs/{run_id}/confusion").json()
    assert (asked["round"], asked["counts"], asked["recalls"]) == (1, [[8, 2], [2, 8]], [0.8, 0.8])
    assert dashboard.http.get(f"/api/runs/{run_id}/confusion?of=server").status_code == 404
    files = {"file": ("run.zip", dashboard.http.get(f"/api/runs/{run_id}/export").content, "application/zip")}
    imported = dashboard.http.post("/api/runs/import", files=files).json()["id"]
    assert dashboard.http.get(f"/api/runs/{imported}/confusion").json() == asked
    page = get_page(dashboard.http, f"/runs/{run_id}?metric=f1")
    assert "mean of the clients' values" in page.text
    page = get_page(dashboard.http, f"/runs/{run_id}?metric=f1_pooled")
    assert "F1, all clients' samples together" in page.text
