"""Runs say who started, paused, renamed, stopped and resumed them: in the API, in events, on the run's page."""

from federation.run.config import RunConfig
from tests.support.dashboard import SYNTHETIC, Dashboard
from tests.support.markup import get_page
from webapp.operations.records import RunRecords


def log_of(dashboard: Dashboard, run_id: int) -> list[str]:
    page = get_page(dashboard.http, f"/runs/{run_id}?events=people")
    return [f"{line.one('span').text} {line.all('small')[-1].text}" for line in page.one("ol", class_="log").all("li")]


def test_a_run_says_who_did_what_to_it(dashboard: Dashboard) -> None:
    parts, config = dashboard.parts, RunConfig.model_validate(SYNTHETIC | {"num_rounds": 3, "min_clients": 2})
    run_id = parts.runs.create(config, "ada").id
    RunRecords(parts.database, parts.runs, "bob").rename(run_id, "nightly")
    parts.steering.acting_for("eve").add_rounds(run_id, 2)
    parts.steering.acting_for("bob").stop_run(run_id)
    run = dashboard.wait_for_state(run_id, "stopped", "cancelled")
    assert [run[name] for name in ("started_by", "resumed_by", "stopped_by")] == ["ada", None, "bob"]
    lines = log_of(dashboard, run_id)
    assert "Queued by ada" in lines and "Renamed to nightly by bob" in lines
    assert "2 rounds added, 5 in total by eve" in lines
    assert lines[0] in ("Stopped by bob", "Cancelled by bob")
    facts = get_page(dashboard.http, f"/runs/{run_id}").one("dl", class_="facts").text
    assert "Started by ada" in facts and "Stopped by bob" in facts

    parts.steering.acting_for("ada").add_rounds(run_id, 1)
    run = dashboard.run(run_id)
    assert [run[name] for name in ("started_by", "resumed_by", "stopped_by")] == ["ada", "ada", None]


def test_without_accounts_it_was_on_this_machine(dashboard: Dashboard) -> None:
    run_id = dashboard.start_run(num_rounds=1)
    dashboard.http.post(f"/api/runs/{run_id}/stop")
    run = dashboard.wait_for_state(run_id, "stopped")
    assert (run["started_by"], run["stopped_by"]) == ("local", "local")
    assert log_of(dashboard, run_id)[0] == "Stopped on this machine"
    assert "Started by" not in get_page(dashboard.http, f"/runs/{run_id}").one("dl", class_="facts").text
