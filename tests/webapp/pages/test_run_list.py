"""The list of runs: sought and sorted by its address; notes, tags, archive and deletion."""

import pytest

from tests.support.dashboard import Dashboard, finished_run
from tests.support.markup import Element, flash_of, get_both, get_page, parse
from tests.support.processes import wait_until
from webapp.db.repository.runs import set_values


def names(runs: Element) -> list[str]:
    return [row.one("th").all("a")[0].text for row in runs.all("tr") if "id" in row]


def cancelled(dashboard: Dashboard, *names: str) -> list[int]:
    """Start runs and cancel them: over, and nobody waited for them."""
    ids = [dashboard.start_run(name=name) for name in names]
    for run_id in ids:
        dashboard.http.post(f"/api/runs/{run_id}/stop")
        dashboard.wait_for_state(run_id, "cancelled", "stopped")
    return ids


def test_an_empty_list_offers_the_first_run(dashboard: Dashboard) -> None:
    runs = get_both(dashboard.http, "/runs", "runs-list")
    assert "No runs yet" in runs.text
    assert [form["method"] for form in runs.all("form")] == ["get", "post"]


def test_the_list_says_of_each_run_how_far_it_is_and_how_good(dashboard: Dashboard) -> None:
    finished_run(dashboard, name="First", num_rounds=3)
    waits = dashboard.start_run(name="Waits")
    wait_until(lambda: dashboard.run(waits)["blocked_on"], what="a wait")
    dashboard.start_run(name="<script>alert(1)</script>")
    runs = get_both(dashboard.http, "/runs", "runs-list")

    assert [row["id"] for row in runs.all("tr") if "id" in row] == ["run-3", "run-2", "run-1"], "newest first"
    first = runs.one("tr", id="run-1")
    cells = [cell.text for cell in first.all("td")]
    assert cells[1] == "Completed"
    assert cells[3:5] == ["80.0\u202f%", "3"]
    assert first.one("polyline")["points"]
    assert first.one("a")["href"] == "/runs/1"
    assert runs.one("tr", id="run-3").one("a").text == "<script>alert(1)</script>"
    assert runs.one("tr", id="run-3").all("td")[1].text == "Queued"


@pytest.mark.parametrize(
    ("asked", "found"),
    [("q=alpha", ["Alpha"]), ("q=%232", ["Beta"]), ("state=queued", ["Beta"]), ("q=none&state=active", []),
     ("state=nonsense", ["Beta", "Alpha"])],
)  # fmt: skip
def test_the_list_is_searched_and_filtered_by_its_address(dashboard: Dashboard, asked: str, found: list[str]) -> None:
    dashboard.start_run(name="Alpha")
    dashboard.start_run(name="Beta")
    runs = get_both(dashboard.http, f"/runs?{asked}", "runs-list")

    assert [row.one("a").text for row in runs.all("tr") if "id" in row] == found
    if not found:
        assert "No matching runs" in runs.text
    assert f"{len(found)} of 2 runs" in runs.text or "2 runs" in runs.text


def test_many_runs_come_in_pages_that_lead_to_each_other(dashboard: Dashboard) -> None:
    for number in range(52):
        dashboard.start_run(name=f"Run {number}")
    newest = get_page(dashboard.http, "/runs")
    older = newest.one("nav", aria_label="Pages").one("a")
    assert (older.text, older["href"]) == ("Older runs", "/runs?offset=50")
    oldest = get_page(dashboard.http, "/runs?offset=50")
    assert [row.one("a").text for row in oldest.all("tr") if "id" in row] == ["Run 1", "Run 0"]
    assert oldest.one("nav", aria_label="Pages").one("a")["href"] == "/runs"


def test_a_run_that_a_server_left_in_the_middle_leads_to_where_it_goes_on(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=2)
    with dashboard.parts.database.write() as session:
        set_values(session, run_id, state="interrupted", num_rounds=9, reason="the server was stopped.")
    row = get_page(dashboard.http, "/runs").one("tr", id=f"run-{run_id}")
    assert "The server was stopped. Resume after round 2" in row.text
    assert [link["href"] for link in row.all("a") if link.text == "Resume after round 2"] == [f"/runs/{run_id}"]


def test_the_list_is_sorted_by_accuracy_or_by_duration(dashboard: Dashboard) -> None:
    finished_run(dashboard, name="Short", num_rounds=1)
    finished_run(dashboard, name="Long", num_rounds=40)
    cancelled(dashboard, "Never began")

    assert names(get_page(dashboard.http, "/runs")) == ["Never began", "Long", "Short"]
    assert names(get_both(dashboard.http, "/runs?sort=best", "runs-list")) == ["Long", "Short", "Never began"]
    assert names(get_both(dashboard.http, "/runs?sort=longest", "runs-list"))[0] == "Long"
    running = dashboard.start_run(name="Still waits")
    dashboard.wait_for_state(running, "waiting")
    assert set(names(get_page(dashboard.http, "/runs?sort=longest"))) == {"Still waits", "Never began", "Long", "Short"}


def test_tags_and_notes_are_written_shown_and_found(dashboard: Dashboard) -> None:
    run_id, other = cancelled(dashboard, "Alpha", "Beta")
    dashboard.http.post(f"/runs/{other}/notes", data={"tags": "a "})
    sent = {"tags": "base line,  paper, paper,", "note": " First\r\nsecond "}
    assert dashboard.http.post(f"/runs/{run_id}/notes", data=sent).status_code == 303
    run = dashboard.run(run_id)
    assert (run["tags"], run["note"]) == (["base line", "paper"], "First\nsecond")

    row = get_page(dashboard.http, "/runs").one("tr", id=f"run-{run_id}")
    assert [tag.text for tag in row.all("a", class_="tag")] == ["base line", "paper"]
    assert "First…" in row.text
    link = row.all("a", class_="tag")[0]["href"] or ""
    assert names(get_both(dashboard.http, link, "runs-list")) == ["Alpha"]
    assert names(get_page(dashboard.http, "/runs?tag=pap")) == []
    form = get_page(dashboard.http, f"/runs/{run_id}/notes")
    assert form.one("textarea").text == "First second"
    assert form.one("input", id="tags")["value"] == "base line, paper"


def test_one_form_saves_note_and_tags_together_and_says_so(dashboard: Dashboard) -> None:
    (run_id,) = cancelled(dashboard, "Alpha")
    form = get_page(dashboard.http, f"/runs/{run_id}/notes").one("form")
    assert [button.text for button in form.all("button")] == ["Save"]
    assert {one.attributes.get("name") for one in form.all() if "name" in one} == {"note", "tags"}
    answer = dashboard.http.post(form["action"] or "", data={"note": "It holds", "tags": "paper"})
    page = get_page(dashboard.http, answer.headers["location"])
    assert flash_of(page) == "Note and tags were saved."
    assert (dashboard.run(run_id)["note"], dashboard.run(run_id)["tags"]) == ("It holds", ["paper"])

    answer = dashboard.http.post(form["action"] or "", data={"note": "Something else", "tags": 'a"b'})
    assert answer.status_code == 422
    page = parse(answer.text)
    assert (page.one("textarea").text, page.one("input", id="tags")["value"]) == ("Something else", 'a"b')
    assert dashboard.run(run_id)["note"] == "It holds", "both or none"


@pytest.mark.parametrize(
    ("field", "sent", "said"),
    [("note", "x" * 2001, "at most 2,000 characters, you entered 2,001"), ("tags", "x" * 31, "at most 30 characters"),
     ("tags", ",".join("abcdefghijk"), "at most 10, you entered 11"), ("tags", 'a"b', "use a letter or digit first")],
)  # fmt: skip
def test_a_note_or_tag_that_cannot_be_kept_stays_in_the_form(
    dashboard: Dashboard, field: str, sent: str, said: str
) -> None:
    (run_id,) = cancelled(dashboard, "Alpha")
    answer = dashboard.http.post(f"/runs/{run_id}/notes", data={field: sent})
    assert answer.status_code == 422
    page = parse(answer.text)
    control = page.one(id=field)
    assert control["aria-invalid"] == "true"
    assert said in page.one(id=f"{field}-error").text
    assert (control.text if field == "note" else control["value"]) == sent
    body = {"note": sent} if field == "note" else {"tags": sent.split(",")}
    assert dashboard.http.post(f"/api/runs/{run_id}/{field}", json=body).status_code == 422


def test_runs_are_archived_with_a_way_back_that_needs_no_script(dashboard: Dashboard) -> None:
    ids = cancelled(dashboard, "Alpha", "Beta", "Gamma")
    running = dashboard.start_run(name="Runs")
    dashboard.wait_for_state(running, "waiting")
    sent = {"id": [str(ids[0]), str(ids[2]), str(running)], "back": "q=Beta&done=deleted&sort=best"}
    answer = dashboard.http.post("/runs/archive", data=sent)
    assert answer.status_code == 303
    page = get_page(dashboard.http, answer.headers["location"])
    outcome = page.one("div", class_="outcome")
    assert "Archived 2 runs: #1 and #3. 1 run unchanged" in outcome.text
    assert page.one("section", id="runs-list")["hx-get"] == "/runs?q=Beta&sort=best", "the list is filtered as it was"
    assert names(page) == ["Beta"]
    button = page.one("button", formaction="/runs/archive")
    assert (button["name"], button["value"]) == ("back", "q=Beta&sort=best"), "no query of a GET holds it"
    assert names(get_both(dashboard.http, "/runs?state=archived", "runs-list")) == ["Gamma", "Alpha"]
    fields = [(one["name"] or "", one["value"] or "") for one in outcome.all("input")]
    assert fields == [("id", "1"), ("id", "3"), ("back", "q=Beta&sort=best")]
    undone = dashboard.http.post(outcome.one("form")["action"] or "", data={"id": ["1", "3"], "back": ""})
    assert flash_of(get_page(dashboard.http, undone.headers["location"])) == "Restored 2 runs: #1 and #3. Undo"
    assert names(get_page(dashboard.http, "/runs")) == ["Runs", "Gamma", "Beta", "Alpha"]


def test_an_api_archives_and_takes_back(dashboard: Dashboard) -> None:
    (run_id,) = cancelled(dashboard, "Alpha")
    assert dashboard.http.post(f"/api/runs/{run_id}/archive").json()["archived_at"]
    assert dashboard.http.post(f"/api/runs/{run_id}/archive").status_code == 200
    assert "All runs are archived" in get_page(dashboard.http, "/runs").text
    assert dashboard.http.post(f"/api/runs/{run_id}/restore").json()["archived_at"] is None
    running = dashboard.start_run()
    assert dashboard.http.post(f"/api/runs/{running}/archive").status_code == 409
    assert dashboard.http.post("/api/runs/99/archive").status_code == 404


def test_deletion_asks_first_and_leaves_active_runs_alone(dashboard: Dashboard) -> None:
    ids = cancelled(dashboard, "Alpha", "Beta")
    running = dashboard.start_run(name="Runs")
    dashboard.wait_for_state(running, "waiting")
    page = get_page(dashboard.http, f"/runs/delete?id={ids[0]}&id={running}")
    assert page.one("h1").text == "Delete #1 Alpha?"
    assert f"#{running}, waiting: stop this run first" in page.text
    assert [one["value"] for one in page.all("input", name="id")] == [str(ids[0])]
    assert dashboard.run(ids[0])["state"] == "cancelled" or dashboard.run(ids[0])["state"] == "stopped"

    answer = dashboard.http.post("/runs/delete", data={"id": [str(ids[0]), str(running)]})
    after = get_page(dashboard.http, answer.headers["location"])
    assert "Deleted 1 run for good. 1 run unchanged" in flash_of(after)
    assert names(after) == ["Runs", "Beta"]
    assert dashboard.http.get(f"/api/runs/{ids[0]}").status_code == 404
    assert get_page(dashboard.http, "/runs/delete").one("h1").text == "No run to delete"
    assert get_page(dashboard.http, f"/runs/delete?id={running}").one("h1").text == "No run to delete"


def test_chosen_runs_stand_in_the_address(dashboard: Dashboard) -> None:
    cancelled(dashboard, "Alpha", "Beta")
    page = get_page(dashboard.http, "/runs?id=2")
    checked = [one["value"] for one in page.all("input", name="id") if "checked" in one]
    assert checked == ["2"]
    form = page.one("form", id="run-selection")
    assert [(one.text, one.attributes.get("formaction")) for one in form.all("button")] == [
        ("Compare", None), ("Archive", "/runs/archive"), ("Delete…", "/runs/delete"),
    ]  # fmt: skip


def test_each_run_that_stays_as_it_is_has_its_own_reason(dashboard: Dashboard) -> None:
    ids = cancelled(dashboard, "Alpha", "Beta")
    active = dashboard.start_run()
    dashboard.wait_for_state(active, "waiting")
    queued = dashboard.start_run()
    dashboard.http.post("/runs/archive", data={"id": [str(ids[0])]})

    def said(verb: str, *chosen: int) -> str:
        answer = dashboard.http.post(f"/runs/{verb}", data={"id": [str(one) for one in chosen]})
        return flash_of(get_page(dashboard.http, answer.headers["location"]))

    assert said("archive", *ids, active, queued, 99) == (
        "Archived 1 run: #2. 4 runs unchanged: #1 (already archived); "
        "#3 (waiting, only ended runs can be archived); #4 (queued, only ended runs can be archived); "
        "#99 (not found). Undo"
    )
    assert said("restore", active, 99) == "Restored no runs. 2 runs unchanged: #3 (not archived); #99 (not found)."
    assert said("delete", ids[0], active, 99, 100) == (
        "Deleted 1 run for good. 3 runs unchanged: #3 (waiting, stop the run first); #99 and #100 (not found)."
    )
