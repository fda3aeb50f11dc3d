"""What is kept and who is there, in a real Chromium: the list of runs, comparison, clients, the server."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.browser.conftest import OpenPage, url_of
from tests.browser.looking import look
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, Answering, honest
from tests.support.processes import wait_until

COUNTS = ([900, 60, 10, 10, 10, 10, 0, 0, 0, 0], [100] * 10, [10, 300, 200, 50, 50, 90, 40, 60, 80, 20])


def site(place: int) -> Answering:
    """Answer with labels and metrics of a client's own; from the 30th round on it waits to be asked in vain."""

    def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        said = honest(task, weights, layout)
        if task.phase == "prepare":
            counts = COUNTS[place] if place < 3 else None
            said.data = {"samples": {"train": sum(counts or [500]), "test": 100}, "input_shape": [8, 8, 1],
                         "classes": 10, "label_counts": counts}  # fmt: skip
            return said
        said.metrics = {name: value * (1 - 0.06 * place) for name, value in said.metrics.items()}
        said.silent = task.phase == "train" and task.round == 30
        if task.phase == "train" and task.round == 4 and place == 2:
            said.error = "ran out of memory"
        return said

    return answer


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard with ended runs, one that goes on, notes, tags, an archived run, and clients of every kind."""
    with running(tmp_path_factory.mktemp("records"), admission="approve") as dashboard, dashboard.stage() as stage:
        for place, name in enumerate(("st-anna", "northgate", "harbour", "field-03")):
            stage.add(name, site(place))
            wait_until(lambda: len(dashboard.http.get("/api/clients").json()["items"]) == place + 1)  # noqa: B023
            dashboard.http.post(f"/api/clients/{place + 1}/approve")
        dashboard.wait_for_clients(4)
        for name, more in (("Skewed hospitals", {}), ("FedProx", {"strategy": "FedProx"}), ("Seed 9", {"seed": 9})):
            run_id = dashboard.start_run(name=name, num_rounds=8 + len(name) % 3, **more)
            dashboard.wait_for_state(run_id, "completed")
        cancelled = [dashboard.start_run(name=f"Typo {number}", min_clients=100) for number in range(8)]
        for run_id in cancelled:
            dashboard.http.post(f"/api/runs/{run_id}/stop")
            dashboard.wait_for_state(run_id, "cancelled", "stopped")
        dashboard.http.post(f"/api/runs/{cancelled[0]}/archive")
        dashboard.http.post("/api/runs/1/note", json={"note": "Baseline of the paper.\nThe split was wrong."})
        dashboard.http.post("/api/runs/1/tags", json={"tags": ["baseline", "paper"]})
        active = dashboard.start_run(name="Goes on", num_rounds=40)
        dashboard.start_run(name="Waits")
        stage.add("ward-7")
        stage.add("old-scanner", dataset="mnist")
        wait_until(lambda: len(dashboard.http.get("/api/clients").json()["items"]) == 6)
        dashboard.http.post("/api/clients/4/leave-out")
        wait_until(lambda: dashboard.run(active)["current_round"] == 29, what="round 29")
        yield url_of(dashboard)


def choose(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_role("checkbox", name=name).check()


def test_runs_are_compared_in_the_order_in_which_they_were_chosen(records: str, open_page: OpenPage) -> None:
    page = open_page(f"{records}/runs", permissions=["clipboard-read", "clipboard-write"])
    expect(page.get_by_role("button", name="Compare")).to_be_hidden()
    choose(page, "Select #3 Seed 9", "Select #1 Skewed hospitals")
    expect(page.locator("[data-part=words]")).to_have_text("2 selected: #3, #1")
    page.get_by_role("button", name="Compare").click()

    expect(page).to_have_url(f"{records}/runs/compare?id=3&id=1")
    expect(page.locator("h1")).to_have_text("Compare 2 runs")
    expect(page.locator("meadow-compare canvas")).to_have_count(2)
    assert [row.get_attribute("id") for row in page.locator("[id^=compared-]").all()] == ["compared-3", "compared-1"]
    page.get_by_text("Traffic", exact=True).click()
    expect(page).to_have_url(f"{records}/runs/compare?id=3&id=1&x=bytes")
    page.get_by_label("Target accuracy").fill("50")
    page.get_by_label("Target accuracy").press("Enter")
    expect(page.get_by_role("columnheader", name="Rounds to 50.0")).to_be_visible()
    expect(page).to_have_url(f"{records}/runs/compare?id=3&id=1&x=bytes&target=50")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("status").filter(has_text="opens the same comparison")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    other = open_page(link)
    expect(other.get_by_role("radio", name="Traffic")).to_be_checked()
    expect(other.get_by_label("Target accuracy")).to_have_value("50")
    other.close()

    page.get_by_role("link", name="Edit selection").click()
    expect(page.locator("[data-part=words]")).to_have_text("2 selected: #3, #1")
    page.go_back()
    expect(page.get_by_label("Target accuracy")).to_have_value("50")
    page.go_back()
    expect(page.get_by_label("Target accuracy")).to_have_value("")
    page.go_back()
    expect(page.get_by_role("radio", name="Round")).to_be_checked()
    page.go_back()
    expect(page.locator("h1")).to_have_text("Runs")


def test_what_is_chosen_outlives_a_refresh_and_a_ninth_is_refused_in_words(records: str, open_page: OpenPage) -> None:
    page = open_page(f"{records}/runs")
    choose(page, "Select #2 FedProx")
    page.evaluate("document.body.dispatchEvent(new CustomEvent('meadow:changed'))")
    page.wait_for_timeout(400)
    expect(page.get_by_role("checkbox", name="Select #2 FedProx")).to_be_checked()
    page.get_by_role("checkbox", name="Select all shown").focus()
    page.keyboard.press("Space")
    expect(page.locator("[data-part=words]")).to_contain_text("at most 8 runs can be compared, deselect some first")
    expect(page.get_by_role("button", name="Compare")).to_be_disabled()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Compare")).to_be_hidden()


def test_filters_stand_in_the_address(records: str, open_page: OpenPage) -> None:
    page = open_page(f"{records}/runs")
    page.get_by_label("Strategy").select_option("FedProx")
    expect(page).to_have_url(f"{records}/runs?strategy=FedProx")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Strategy").select_option("")
    page.get_by_label("Sort by").select_option("best")
    expect(page).to_have_url(f"{records}/runs?sort=best")
    page.reload()
    expect(page.get_by_label("Sort by")).to_have_value("best")
    page.get_by_role("link", name="baseline").click()
    expect(page).to_have_url(f"{records}/runs?tag=baseline")
    expect(page.locator("tbody tr")).to_have_count(1)


@pytest.mark.parametrize("scripts", [True, False])
def test_runs_are_archived_and_the_way_back_works(records: str, open_page: OpenPage, scripts: bool) -> None:
    page = open_page(f"{records}/runs", java_script_enabled=scripts)
    page.get_by_role("checkbox", name="Typo 3").check()
    page.get_by_role("checkbox", name="Typo 5").check()
    page.get_by_role("button", name="Archive").click()
    expect(page.locator(".outcome")).to_contain_text("Archived 2 runs: #7 and #9.")
    if scripts:
        expect(page).to_have_url(f"{records}/runs")
        look(page, "flash")
    expect(page.get_by_role("checkbox", name="Typo 3")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".outcome")).to_contain_text("Restored 2 runs: #7 and #9.")
    expect(page.get_by_role("checkbox", name="Typo 3")).to_have_count(1)
    page.get_by_role("link", name="Home").click()
    page.go_back()
    expect(page.get_by_role("checkbox", name="Typo 3")).to_have_count(1)
    expect(page.locator(".outcome")).to_have_count(0)


def test_a_run_is_deleted_after_a_question(records: str, open_page: OpenPage) -> None:
    page = open_page(f"{records}/runs?q=Typo+7")
    page.get_by_role("checkbox", name="Typo 7").check()
    page.get_by_role("button", name="Delete…").click()
    expect(page.locator("h1")).to_contain_text("Typo 7?")
    page.get_by_role("button", name="Delete 1 run").click()
    expect(page.locator(".outcome")).to_contain_text("Deleted 1 run for good.")
    expect(page.get_by_role("checkbox", name="Typo 7")).to_have_count(0)


def test_a_note_is_written_by_keyboard(records: str, open_page: OpenPage) -> None:
    page = open_page(f"{records}/runs/2/notes")
    page.get_by_label("Purpose and findings").fill("x" * 2001)
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_label("Purpose and findings")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#note-error")).to_contain_text("at most 2,000 characters, you entered 2,001")
    look(page, "notes-mistakes")
    page.get_by_label("Purpose and findings").fill("FedProx holds")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page).to_have_url(f"{records}/runs/2")
    expect(page.locator(".outcome")).to_have_text("Note and tags were saved.")
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of every 422


def test_a_client_is_renamed_and_left_out_without_scripts(records: str, open_page: OpenPage) -> None:
    page = open_page(f"{records}/clients", java_script_enabled=False)
    page.get_by_role("link", name="Rename harbour").click()
    page.get_by_label("Name on this dashboard").fill("port")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("h1")).to_have_text("port")
    page.get_by_label("Name on this dashboard").fill("st-anna")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("#name-error")).to_contain_text("is the name of another client")
    page.get_by_label("Name on this dashboard").fill("")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("h1")).to_have_text("harbour")
    page.get_by_role("button", name="Exclude from all runs").click()
    expect(page.locator(".outcome")).to_contain_text("harbour was excluded from all runs")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".outcome")).to_contain_text("harbour was included in runs again")
    open_page.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of every 422


def test_the_server_page_and_a_comparison_change_by_themselves(dashboard: Dashboard, open_page: OpenPage) -> None:
    url = url_of(dashboard)
    page = open_page(f"{url}/server")
    expect(page.get_by_text("No client has connected yet")).to_be_visible()
    with dashboard.stage() as stage:
        stage.add("site-a", site(1))
        expect(page.get_by_text("No client has connected yet")).to_be_hidden()
        run_id = dashboard.start_run(name="Watched", num_rounds=3)
        expect(page.locator("h1")).to_have_text("#1 Watched is waiting")
        compared = open_page(f"{url}/runs/compare?id={run_id}")
        stage.add("site-b", site(0))
        expect(compared.locator("meadow-compare[metric=accuracy] canvas")).to_be_visible()
        expect(compared.locator("meadow-compare[metric=accuracy] .readout")).to_contain_text("#1 77.")
        expect(page.locator("h1")).to_have_text("Server healthy, idle")
