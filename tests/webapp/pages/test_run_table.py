"""The table of runs as people know it: what the search finds, the order of a press, one scale of curves, new names."""

from urllib.parse import quote

from tests.support.dashboard import Dashboard, finished_run
from tests.support.markup import Element, flash_of, get_both, get_page
from tests.webapp.pages.test_run_list import cancelled, names
from webapp.db.repository.runs import set_values


def test_the_search_finds_tags_and_notes(dashboard: Dashboard) -> None:
    ids = cancelled(dashboard, "Alpha", "Beta", "Gamma")
    dashboard.http.post(f"/api/runs/{ids[0]}/tags", json={"tags": ["Münster", "paper"]})
    dashboard.http.post(f"/api/runs/{ids[1]}/note", json={"note": "The split of ward 7\nwas 100 % wrong."})
    for sought, found in (
        ("münster", ["Alpha"]), ("PAPER", ["Alpha"]), ("ward 7", ["Beta"]), ("100 %", ["Beta"]), ("nster", ["Alpha"]),
        ('paper", "', []), ("u00fc", []), ("_", []),
    ):  # fmt: skip
        page = get_page(dashboard.http, f"/runs?q={quote(sought)}")
        assert names(page) == found, sought
        listed = dashboard.http.get("/api/runs", params={"q": sought}).json()["items"]
        assert [run["name"] for run in listed] == found, sought


def test_a_press_of_a_head_sorts_and_a_second_one_turns_the_order(dashboard: Dashboard) -> None:
    ids = cancelled(dashboard, "beta", "Alpha", "gamma")
    finished = finished_run(dashboard, name="Done", num_rounds=3)
    with dashboard.parts.database.write() as session:
        set_values(session, ids[0], active_seconds=7200.0)

    def heads(page: Element) -> dict[str, Element]:
        return {head.text: head for head in page.one("thead").all("th") if "aria-sort" in head}

    page = get_page(dashboard.http, "/runs?state=")
    assert list(heads(page)) == [
        "Run", "State", "Best", "Rounds", "Duration", "Strategy", "Network", "Dataset", "Started",
    ]  # fmt: skip
    assert {head["aria-sort"] for head in heads(page).values()} == {"none"}
    for word, order, first in (
        ("Run", "ascending", "Alpha"), ("Best", "descending", "Done"), ("Rounds", "descending", "Done"),
        ("Duration", "descending", "beta"), ("Started", "descending", "Done"),
    ):  # fmt: skip
        once = get_both(dashboard.http, heads(page)[word].one("a")["href"] or "", "runs-list")
        again = heads(once)[word].one("a")["href"] or ""
        assert (heads(once)[word]["aria-sort"], names(once)[0]) == (order, first), word
        twice = get_page(dashboard.http, again)
        assert heads(twice)[word]["aria-sort"] == {"ascending": "descending", "descending": "ascending"}[order]
        assert again == f"/runs?sort={twice.one('select', name='sort').one('option', selected=True)['value']}"
    assert names(get_page(dashboard.http, "/runs?sort=-name")) == ["gamma", "Done", "beta", "Alpha"]
    best = names(get_page(dashboard.http, "/runs?sort=-best"))
    assert best[0] == "Done", "runs without a value are last in either order"
    assert dashboard.run(finished)["state"] == "completed"


def test_a_run_is_renamed_on_its_page_and_over_the_api(dashboard: Dashboard) -> None:
    (run_id,) = cancelled(dashboard, "Alpha")
    form = get_page(dashboard.http, f"/runs/{run_id}").one("form", action=f"/runs/{run_id}/rename")
    assert (form.one("input")["value"], form.one("input")["maxlength"]) == ("Alpha", "100")
    answer = dashboard.http.post(form["action"] or "", data={"name": "  Ward  7 "})
    page = get_page(dashboard.http, answer.headers["location"])
    assert (page.one("h1").text, flash_of(page)) == ("Ward 7", "The run was renamed.")
    assert "Renamed to Ward 7" in page.one("section", id="events").text
    assert names(get_page(dashboard.http, "/runs?q=ward")) == ["Ward 7"]
    assert dashboard.http.post(f"/api/runs/{run_id}/rename", json={"name": "Beta"}).json()["name"] == "Beta"
    for wrong in ("", " ", "x" * 101, "a\x00b"):
        assert dashboard.http.post(f"/runs/{run_id}/rename", data={"name": wrong}).status_code == 422
        assert dashboard.http.post(f"/api/runs/{run_id}/rename", json={"name": wrong}).status_code == 422
    assert dashboard.run(run_id)["name"] == "Beta"
    assert dashboard.http.post("/api/runs/99/rename", json={"name": "Beta"}).status_code == 404


def test_curves_of_the_list_have_one_scale_that_is_said(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=3)
    page = get_page(dashboard.http, "/runs")
    assert "Accuracy by round, 0–100\u202f%" in page.one("thead").text
    points = page.one("tr", id=f"run-{run_id}").one("polyline")["points"]
    assert points == "0.0,11.0 29.3,8.0 58.7,6.5 88.0,5.6", "50.0, 66.7, 75.0 and 80.0 % of the height"
