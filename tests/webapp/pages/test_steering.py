"""Steering by buttons: what a state allows, what each form does without a script, and what the page says after it."""

from typing import Any

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard
from tests.support.light_client import Answer, Stage, honest
from tests.support.markup import Element, flash_of, get_both, get_page
from tests.support.processes import wait_until


def unhurried(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    answer.delay_seconds = 0.1 if task.phase == "train" else 0.0
    return answer


def buttons(page: Element) -> list[str]:
    """Return the words on what steers a run."""
    steer = page.one("div", class_="steer")
    return [one.text for one in steer.all() if one.tag in ("button", "summary") or one.matches("a", class_="button")]


def press(dashboard: Dashboard, run_id: int, verb: str, **fields: Any) -> Element:
    """Post a form as a browser without scripts does, and return the page that comes after it."""
    answer = dashboard.http.post(f"/runs/{run_id}/{verb}", data=fields)
    assert answer.status_code == 303, answer.text
    return get_page(dashboard.http, answer.headers["location"])


def events(dashboard: Dashboard, run_id: int, kind: str = "") -> list[str]:
    log = get_page(dashboard.http, f"/runs/{run_id}?events={kind}").one("section", id="events")
    return [line.one("span").text for line in log.one("ol").all("li")]


def test_a_run_is_paused_and_continued_with_buttons(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a", unhurried)
        stage.add("site-b", unhurried)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=500)
        wait_until(lambda: dashboard.run(run_id)["current_round"] >= 1)
        shown = buttons(get_page(dashboard.http, f"/runs/{run_id}"))
        assert shown == ["Pause after this round", "Add rounds", "Add", "Exclude client", "Exclude", "Stop"]

        paused = press(dashboard, run_id, "pause")
        assert flash_of(paused) == "Pause requested: after the current round. Clients stay connected. Undo"
        undo = paused.one("div", class_="outcome").one("form")
        assert (undo["action"], undo.one("input", name="back")["value"]) == (
            f"/runs/{run_id}/continue",
            f"/runs/{run_id}",
        )
        dashboard.wait_for_state(run_id, "paused")
        page = get_both(dashboard.http, f"/runs/{run_id}", "run-page")
        assert buttons(page)[0] == "Continue"
        assert [button.text for button in page.all("button", class_="primary")] == ["Continue"]
        home = get_both(dashboard.http, "/", "home-page")
        done = dashboard.run(run_id)["current_round"]
        assert home.one("h2", id="clients-h").text == f"Clients after round {done}"
        assert {task.text for task in home.all("span", class_="task")} == {"Paused"}
        question = get_page(dashboard.http, f"/runs/{run_id}/stop").text
        assert "pause instead" not in question and "Cancel" in question
        assert page.one("section", class_="block").one("h2").text.startswith("Paused since")
        assert "on this machine" in page.one("section", id="events").text

        home = press(dashboard, run_id, "continue", back="/")
        assert flash_of(home) == "The run continues."
        assert home.all("div", id="home-page"), "the button stood on the home page"
        dashboard.wait_for_state(run_id, "running", "waiting")
        press(dashboard, run_id, "pause")
        assert {"Pause requested: after the current round", "Continued"} <= set(events(dashboard, run_id, "people"))


def test_rounds_are_added_to_a_run_that_is_over_and_it_goes_on(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        stage.add("site-b")
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=1)
        dashboard.wait_for_state(run_id, "completed")
        page = get_page(dashboard.http, f"/runs/{run_id}")
        assert buttons(page) == ["Add rounds", "Add"]
        assert page.one("input", name="add")["value"] == "5"

        assert flash_of(press(dashboard, run_id, "rounds", add="2")) == "Added 2 rounds: the run has 3 now."
        dashboard.wait_for_state(run_id, "completed")
        assert dashboard.run(run_id)["current_round"] == 3
        assert "2 rounds added, 3 in total" in events(dashboard, run_id, "people")


def test_a_client_is_left_out_and_let_in_again(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        for name in ("site-a", "site-b", "site-c"):
            stage.add(name, unhurried)
        clients = {client["name"]: client["id"] for client in dashboard.wait_for_clients(3)}
        run_id = dashboard.start_run(num_rounds=500)
        wait_until(lambda: dashboard.run(run_id)["current_round"] >= 1)
        choices = get_page(dashboard.http, f"/runs/{run_id}").one("select", name="client_id").all("option")
        assert {option.text for option in choices} == set(clients)

        page = press(dashboard, run_id, "exclude", client_id=clients["site-c"])
        assert flash_of(page) == "site-c was excluded from this run, from the next round on."
        home = get_page(dashboard.http, "/")
        other = home.one("section", aria_labelledby="other-h")
        assert other.one("h2").text == "Online but not eligible"
        assert "site-c : excluded from this run on this machine" in other.text
        assert other.one("button").text == "Include"

        page = press(dashboard, run_id, "include", client_id=clients["site-c"], back="/")
        assert flash_of(page) == "site-c was included in this run again, from the next round on."
        assert not get_page(dashboard.http, "/").all("section", aria_labelledby="other-h")
        assert "site-c excluded from the next round on" in events(dashboard, run_id)


def test_stop_asks_first_and_what_is_committed_stays(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a", unhurried)
        stage.add("site-b", unhurried)
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=500, name="Long")
        wait_until(lambda: dashboard.run(run_id)["current_round"] >= 2)
        question = get_page(dashboard.http, f"/runs/{run_id}/stop")
        assert question.one("h1").text == f"Stop #{run_id} Long?"
        assert "Lost: the work of 2 clients in round" in question.text
        assert dashboard.run(run_id)["state"] in ("running", "waiting"), "asking changes nothing"
        assert question.all("form", action=f"/runs/{run_id}/pause"), "a pause is offered instead"
        assert "To keep the current round, pause instead" in question.text

        assert "and the model are kept." in flash_of(press(dashboard, run_id, "stop"))
        dashboard.wait_for_state(run_id, "stopped")
        assert buttons(get_page(dashboard.http, f"/runs/{run_id}"))[0] == "Resume"
        assert "is not active" in get_page(dashboard.http, f"/runs/{run_id}/stop").one("h1").text
        press(dashboard, run_id, "resume")
        assert dashboard.wait_for_state(run_id, "running")["current_round"] >= 2


def test_what_a_state_does_not_allow_is_refused_in_words(dashboard: Dashboard) -> None:
    run_id = dashboard.start_run()
    for verb, fields, status in (
        ("pause", {}, 409), ("continue", {}, 409), ("resume", {}, 409), ("rounds", {"add": "0"}, 422),
        ("rounds", {"add": "1e9"}, 422), ("rounds", {}, 422), ("exclude", {"client_id": "999"}, 404),
        ("include", {"client_id": "x"}, 422), ("min_clients", {"min_clients": "0"}, 422), ("min_clients", {}, 422),
        ("wait", {"seconds": "86401"}, 422), ("front", {}, 409),
    ):  # fmt: skip
        answer = dashboard.http.post(f"/runs/{run_id}/{verb}", data=fields)
        assert answer.status_code == status, (verb, answer.text)
        assert answer.headers["content-type"].startswith("text/html")
    assert dashboard.http.post("/runs/99/pause").status_code == 404
    assert dashboard.http.post(f"/runs/{run_id}/fly").status_code == 404
    assert not flash_of(get_page(dashboard.http, f"/runs/{run_id}"))


def test_the_log_is_filtered_and_paged_by_its_address(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        stage.add("site-a")
        stage.add("site-b")
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(num_rounds=30)
        dashboard.wait_for_state(run_id, "completed")
    address, seen = f"/runs/{run_id}", list[str]()
    while address:
        log = get_both(dashboard.http, address, "run-page").one("section", id="events")
        seen += [line.one("span").text for line in log.one("ol").all("li")]
        older = [link for link in log.all("a") if link.text == "Older"]
        address = (older[0]["href"] or "").partition("#")[0] if older else ""
    assert sum("completed" in line for line in seen) == 30
    assert seen[0] == "Completed" and len(seen) <= 36, "no line twice"
    quiet = get_page(dashboard.http, f"/runs/{run_id}?events=trouble").one("section", id="events")
    assert "No problems." in quiet.text
    assert quiet.one("a", aria_current="true").text == "Problems"


def waits_alone(dashboard: Dashboard, stage: Stage, **config: Any) -> int:
    """Start a run for two with one client, and return its id when it says that it waits."""
    stage.add("alone", unhurried)
    dashboard.wait_for_clients(1)
    run_id = dashboard.start_run(**config)
    wait_until(lambda: "min_clients" in (dashboard.run(run_id)["blocked_on"] or {"actions": ()})["actions"])
    return run_id


def test_a_wait_is_made_longer_or_ended_with_the_clients_that_are_here(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        run_id = waits_alone(dashboard, stage, num_rounds=500)
        block = get_both(dashboard.http, "/", "home-page").one("section", class_="block")
        assert [h3.text for h3 in block.all("h3")] == ["Connect 1 more client", "Or change the run"]
        assert "The run can continue with 1 client, without averaging. More clients can join later." in block.text
        words = [button.text for button in block.all("button", type="submit")]
        assert words == ["Simulate 1 client", "Continue with 1 client", "Wait 10\u202fmin longer"]

        page = press(dashboard, run_id, "wait", seconds="600", back="/")
        assert flash_of(page) == "The client wait timeout was extended by 10\u202fmin."
        clock = page.one("span", class_="clock")
        assert 1190 < float(clock["data-until"] or 0) <= 1200

        page = press(dashboard, run_id, "min_clients", min_clients="1")
        assert flash_of(page) == "The minimum was set to 1 client per round."
        wait_until(lambda: dashboard.run(run_id)["current_round"] >= 1)
        page = get_page(dashboard.http, f"/runs/{run_id}")
        assert "Minimum clients per round 1" in page.one("section", id="configuration").text
        assert {"Minimum clients per round set to 1", "Client wait timeout extended by 10\u202fmin"} <= set(
            events(dashboard, run_id, "people")
        )
        assert dashboard.http.post(f"/runs/{run_id}/wait", data={"seconds": "600"}).status_code == 409


def test_a_strategy_that_needs_more_clients_offers_to_wait_alone(dashboard: Dashboard) -> None:
    run_id = dashboard.start_run(strategy="Krum", min_clients=3)
    wait_until(lambda: "wait" in (dashboard.run(run_id)["blocked_on"] or {"actions": ()})["actions"])
    block = get_page(dashboard.http, f"/runs/{run_id}").one("section", class_="block")
    assert [form["action"] for form in block.all("form")] == ["/demo-clients", f"/runs/{run_id}/wait"]
    assert "After the timeout the run fails" in block.text


def test_a_queued_run_is_moved_to_the_front_with_a_button(dashboard: Dashboard) -> None:
    _, second, third = (dashboard.start_run(name=name) for name in ("First", "Second", "Third"))

    def queue(page: Element) -> list[str]:
        return [line.one("a").text for line in page.one("section", aria_labelledby="queue-h").one("ol").all("li")]

    home = get_both(dashboard.http, "/", "home-page")
    assert queue(home) == [f"#{second} Second", f"#{third} Third"]
    moves = [form["action"] for form in home.all("form") if (form["action"] or "").endswith("/front")]
    assert moves == [f"/runs/{third}/front"], "the first of the queue has no such button"
    home = press(dashboard, third, "front", back="/")
    assert (flash_of(home), queue(home)) == (
        f"#{third} was moved to the front of the queue.",
        [f"#{third} Third", f"#{second} Second"],
    )
